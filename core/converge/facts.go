// Package converge decides what one machine must do so that its systemd
// matches the machine's placements. It is told what is wanted, what lies on the
// disk, what was started and what systemd says; it touches nothing.
package converge

import (
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Status is what systemd says of one unit.
type Status struct {
	Unit cluster.UnitName
	// Seq orders the statuses of one unit: the higher one is the newer.
	Seq uint64
	// InMemory says that systemd has the unit loaded. One that has ended well
	// and that nothing refers to leaves its memory by itself.
	InMemory bool

	Load   string // LoadState; empty where it has not been asked for
	Active string // ActiveState
	Sub    string // SubState
	Result string // of its type: "success", "exit-code", ...
	// Job is the id of the job queued or running for it, 0 for none.
	Job uint32
	// Invocation changes with each start of the unit; empty where it is not known.
	Invocation string
	// NeedReload says that the text on the disk is newer than the one in memory.
	NeedReload bool
	// Shadow is the file that systemd reads in place of fleet's, such as
	// /etc/systemd/system/NAME; empty where fleet's is read.
	Shadow string
}

// Up says whether stopping the unit would change anything: it runs, is about
// to, or has not quite ended.
func (s Status) Up() bool {
	return s.Job != 0 || s.Active != "" && s.Active != "inactive" && s.Active != "failed"
}

// Runs says whether the unit's processes run, or come and go under systemd's Restart=.
func (s Status) Runs() bool {
	return s.Active != "" && s.Active != "inactive" && s.Active != "failed" && s.Active != "deactivating"
}

// Observation is what a follower of systemd receives at a time.
type Observation struct {
	// Reset says that Units is all that systemd has in memory.
	Reset bool
	Units []Status
}

// Job is one of systemd's jobs, by its name in org.freedesktop.systemd1(5).
type Job string

const (
	StartJob   Job = "start"
	StopJob    Job = "stop"
	RestartJob Job = "restart"
)

// Outcome is how a job ended.
type Outcome struct {
	// Result is systemd's: "done", "failed", "dependency", "canceled", "timeout", ...
	// It is empty where the connection to systemd was lost before the job ended.
	Result string
	Status Status // of the unit at that moment
}

// Record says that a placement was started. It lies in /run, so that a reboot
// forgets it, and is written before the start: a start is never lost from it.
type Record struct {
	Unit       cluster.UnitName `json:"-"`
	Generation int64            `json:"generation"`
	Hash       cluster.Hash     `json:"hash"`
	Boot       string           `json:"boot"` // a record of another boot says nothing
	// Begun says that systemd has accepted the job. Where it is missing, the
	// agent ended between writing the record and hearing from systemd.
	Begun bool `json:"begun"`
	// Before is the invocation that the unit had when the record was written.
	Before string `json:"before,omitempty"`
	// Stopping says that fleet has begun to stop what it started: should the
	// unit be wanted again, it is started again.
	Stopping bool `json:"stopping,omitempty"`
	// Outcome is the result of the job when it was another than "done".
	Outcome string `json:"outcome,omitempty"`
	// Fence is the invocation of the machine's fence under which the unit was seen
	// running, or Awaited, or Fallen; empty where it has ended since by itself, or is
	// bound to none.
	Fence string `json:"fence,omitempty"`
}

// Unit is all that is known of one unit on this machine.
type Unit struct {
	Name cluster.UnitName
	Want *cluster.Placement // nil where it is not placed here

	HasFile bool         // a file of ours is there
	File    cluster.Hash // of its text; empty where it is incomplete
	HasText bool         // the text that Want names is at hand

	Record *Record // nil where it was not started by us
	Status Status
	// ByItself is the last invocation that systemd was seen to begin by itself, by the
	// unit's Restart=.
	ByItself string

	Fence *Fence // that the unit is bound to; nil where it is bound to none

	// Asked says that systemd was asked for a start whose end nobody waits for any more,
	// and which Status may not tell of yet.
	Asked bool

	Secrets []unitfile.Secret      // that Want's text asks for
	Given   cluster.SecretVersions // that it was given here last

	// Leftover says that systemd still has the service that Podman's generator
	// made of a Quadlet file which was taken away since.
	Leftover bool
}

// Ours says whether fleet has anything to do with the unit on this machine.
func (u Unit) Ours() bool { return u.Want != nil || u.HasFile || u.Record != nil || u.Leftover }

// up says whether something of the unit runs or may yet begin to.
func (u Unit) up() bool { return u.Status.Up() || u.Asked }

// unread says whether systemd has to read its files before it can start the
// unit. Of a Quadlet file it knows nothing until Podman's generator has run, and
// one that has ended leaves its memory: where no start was tried yet for what is
// wanted now, nobody knows whether the generator has seen it.
func (u Unit) unread(boot string) bool {
	known := u.Status.InMemory && u.Status.Load != "not-found"
	return u.Status.NeedReload || u.Name.Quadlet() && !known && !u.started(boot)
}

// launched says whether we started the unit in this boot, for whatever generation.
func (u Unit) launched(boot string) bool { return u.Record != nil && u.Record.Boot == boot }

// started says whether we started it in this boot for the placement's own generation.
func (u Unit) started(boot string) bool {
	return u.launched(boot) && !u.Record.Stopping && u.Record.Generation == u.Want.Generation
}

// ran says whether systemd shows that the start which the record announces took
// place, though nothing was heard of it.
func (u Unit) ran() bool {
	return u.Status.Invocation != "" && u.Status.Invocation != u.Record.Before && u.Status.Invocation != u.ByItself
}
