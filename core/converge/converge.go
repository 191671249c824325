package converge

import (
	"cmp"
	"fmt"
	"slices"

	"argosy/core/cluster"
)

// Plan says what must be done for these units now, in the order in which it
// must be done. A unit's own steps depend on each other: where one fails, the
// unit's later ones fall away, and other units go on. What can only be decided
// once a step is done (a text once it was fetched) comes with the next plan.
//
// boot is the machine's boot id, see proc_sys_kernel(5).
func Plan(boot string, units []Unit) []Step {
	var steps []Step
	var stale []cluster.UnitName
	for _, u := range units {
		own := u.given(u.steps(boot))
		if reads(own, u, boot) || u.Leftover && u.Want == nil {
			stale = append(stale, u.Name)
		}
		steps = append(steps, own...)
	}
	if len(stale) > 0 {
		slices.Sort(stale)
		steps = append(steps, Reload{Units: stale, Reason: fmt.Sprintf("systemd has not read the files of %d units as they are now", len(stale))})
	}
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(stage(a), stage(b)), cmp.Compare(UnitOf(a), UnitOf(b)))
	})
	return steps
}

// reads says whether these steps of one unit need systemd to read its files anew.
func reads(steps []Step, u Unit, boot string) bool {
	for _, s := range steps {
		switch s := s.(type) {
		case Write:
			if s.Stale {
				return true
			}
		case Start, Restart:
			if u.unread(boot) {
				return true
			}
		}
	}
	return false
}

// given has the unit's secrets be there before each start: one that was replaced
// meanwhile is taken over then, and one that cannot be had keeps the unit as it is.
func (u Unit) given(steps []Step) []Step {
	if len(u.Secrets) == 0 {
		return steps
	}
	for i, s := range steps {
		switch s.(type) {
		case Start, Restart:
			return slices.Insert(steps, i, Step(Give{Unit: u.Name, Secrets: u.Secrets,
				Reason: fmt.Sprintf("it asks for %d of the cluster's secrets and is about to start", len(u.Secrets))}))
		}
	}
	return steps
}

func (u Unit) steps(boot string) []Step {
	switch {
	case !u.Ours():
		return nil
	case u.Want == nil:
		return u.leave(boot)
	case u.Want.Desired == cluster.Launched:
		return u.launch(boot)
	default:
		return u.load(boot)
	}
}

// leave ends a unit that has no business here any more. What fleet has not
// started in this boot and whose text is not fleet's is left running.
func (u Unit) leave(boot string) []Step {
	const why = "no longer placed on this machine"
	if !u.HasFile && u.Record == nil {
		return nil // only a reload is left to do
	}
	var steps []Step
	if u.up() && (u.launched(boot) || u.HasFile && u.Status.Shadow == "") {
		steps = append(steps, Stop{Unit: u.Name, Reason: why})
	}
	return append(steps, Remove{Unit: u.Name, Reason: why})
}

// load has the text in place and the unit not started by us.
func (u Unit) load(boot string) []Step {
	if u.Record == nil {
		return u.text()
	}
	const why = "wanted loaded, not launched"
	var steps []Step
	if u.up() && u.launched(boot) {
		steps = append(steps, Stop{Unit: u.Name, Reason: why})
	}
	return append(steps, Forget{Unit: u.Name, Reason: why})
}

// launch has the text in place and the unit started once for its generation.
func (u Unit) launch(boot string) []Step {
	switch {
	case u.started(boot) && u.Record.Begun:
		return append(u.text(), u.behindFence()...)
	case u.started(boot) && u.ran():
		return []Step{Adopt{Unit: u.Name, Reason: "it was started just before fleetd ended"}}
	}
	steps := u.text()
	if len(steps) > 0 {
		if _, missing := steps[0].(Fetch); missing {
			return steps
		}
	}
	replaced := u.HasFile && len(steps) > 0
	if u.Status.Up() && (u.launched(boot) || replaced) { // what runs is an earlier generation
		return append(steps, Restart{Unit: u.Name, Generation: u.Want.Generation, Hash: u.Want.Hash,
			Reason: fmt.Sprintf("generation %d replaces an earlier one: %s", u.Want.Generation, u.Want.Reason)})
	}
	return append(steps, Start{Unit: u.Name, Generation: u.Want.Generation, Hash: u.Want.Hash,
		Reason: fmt.Sprintf("generation %d: %s", u.Want.Generation, u.Want.Reason)})
}

// text has the wanted text on the disk.
func (u Unit) text() []Step {
	switch {
	case u.HasFile && u.File == u.Want.Hash:
		return nil
	case !u.HasText:
		return []Step{Fetch{Unit: u.Name, Hash: u.Want.Hash, Reason: "its text is not on this machine"}}
	}
	why := "it has no text here yet"
	if u.HasFile {
		why = "its text is another one"
	}
	// A name that systemd does not hold yet is read from the disk when it is
	// started; only what it holds has to be reloaded, and what Podman's generator
	// is to read.
	stale := u.Status.InMemory && u.Status.Load != "not-found" || u.Name.Quadlet()
	return []Step{Write{Unit: u.Name, Hash: u.Want.Hash, Stale: stale, Reason: why}}
}
