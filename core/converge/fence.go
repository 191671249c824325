package converge

import "argosy/core/cluster"

// FenceUnit is the unit that systemd binds units with OnPartition=stop to: when
// it ends they do.
const FenceUnit cluster.UnitName = "fleet-fence.service"

// Fence is the machine's fence as a unit that is bound to it finds it.
type Fence struct {
	Status Status // of FenceUnit
	// InTouch says that the machine has word from the cluster: the fence can stand.
	InTouch bool
	// Settled says that the unit has been down for a while. Of changes at almost
	// the same time systemd may tell in any order: only then does a fence that
	// stands tell that it has not ended the unit.
	Settled bool
	// Over is the invocation of a fence whose time is known to be over, though systemd
	// may tell no more of its fall: another unit may have had the fence stand and come
	// down again since. Empty where none is known.
	Over string
	// Stood is the invocation that stood while the unit was last seen running, since
	// its last start: what a record that says Awaited has not noted yet.
	Stood string
}

// invocation is that of a fence that stands, empty where none does.
func (f Fence) invocation() string {
	if f.Status.Active != "active" {
		return ""
	}
	return f.Status.Invocation
}

// fallen says that the fence has ended otherwise than by being stopped, which
// systemd does when no unit needs it any more.
func (f Fence) fallen() bool { return f.Status.Active == "failed" }

// What a record says of the fence of a unit that nobody has seen running behind it.
const (
	// Awaited is for one that was not seen running yet.
	Awaited = "awaited"
	// Fallen is for one that the fence has ended, or is about to. It is noted where the
	// unit cannot be started again at once: another unit may have the fence stand and
	// come down again until then, and it tells of its last life alone.
	Fallen = "fallen"
)

// behindFence is what the fence asks for a unit that was started: a unit that it
// has ended is started again, which one that has ended by itself is not. So what
// was seen running, and under which fence, is noted, and so is an end of its own.
// Where the unit's end and the fence's fall both went unseen, the fence it was.
func (u Unit) behindFence() []Step {
	if u.Fence == nil || u.Record.Fence == "" {
		return nil
	}
	standing, noted := u.Fence.invocation(), u.Record.Fence
	if noted == Awaited && u.Fence.Stood != "" {
		noted = u.Fence.Stood
	}
	another := standing != "" && standing != noted && noted != Awaited
	// Of a fall nobody knows at first whether it was before the start.
	fell := u.Fence.fallen() && (noted != Awaited || u.Fence.Settled)
	ended := noted == Fallen || noted == u.Fence.Over || another || fell
	ending := u.Status.Active == "deactivating"
	down := !u.Status.Up()
	switch {
	case u.Status.Runs():
		if standing != "" && standing != u.Record.Fence {
			return []Step{Guard{Unit: u.Name, Fence: standing, Reason: "it runs behind the fence"}}
		}
	case ended && noted != Fallen && (ending || down && !u.Fence.InTouch):
		return []Step{Guard{Unit: u.Name, Fence: Fallen, Reason: "its fence has fallen"}}
	case ended && down && u.Fence.InTouch:
		return []Step{Start{Unit: u.Name, Generation: u.Want.Generation, Hash: u.Want.Hash,
			Reason: "this machine is back in touch; while it was not, its fence had ended the unit"}}
	case !ended && down && u.Fence.Settled && (standing != "" || !u.Fence.Status.Up()):
		return []Step{Guard{Unit: u.Name, Reason: "it has ended by itself"}}
	}
	return nil
}
