package converge

import (
	"fmt"

	"argosy/core/cluster"
)

// State is what the machine publishes of a unit. working says that steps for it
// are under way; problem is what could not be done, for people.
func State(machine cluster.MachineID, u Unit, working bool, problem string) cluster.UnitState {
	s := cluster.UnitState{
		Machine: machine, Unit: u.Name, Hash: u.File, Phase: cluster.Settled, Problem: problem,
		Secrets: u.Given, Load: u.Status.Load, Active: u.Status.Active, Sub: u.Status.Sub, Result: u.Status.Result,
	}
	if u.Want != nil {
		s.Generation = u.Want.Generation
	}
	if working || u.Status.Job != 0 {
		s.Phase = cluster.Working
	}
	if !u.Status.InMemory {
		s.Active, s.Sub = "inactive", "dead"
	}
	if s.Load == "" {
		switch {
		case u.HasFile:
			s.Load = "loaded" // it is read when it is asked for
		case working:
			s.Load = "stub" // systemd's word for one that is yet to be read
		default:
			s.Load = "not-found"
		}
	}
	if s.Result == "" && u.Record != nil && u.Record.Begun && s.Active != "activating" {
		s.Result = "success" // what ended otherwise stays in systemd's memory
	}
	if s.Problem == "" {
		s.Problem = u.unstarted()
	}
	if u.Want == nil && u.Status.Up() {
		s.Note = "it is not placed on this machine any more and ends here"
	}
	if u.Status.Shadow != "" {
		s.Note = fmt.Sprintf("%s shadows fleet's text of this unit: systemd runs that file", u.Status.Shadow)
	}
	return s
}

// unstarted says why systemd did not start the unit, where its state does not tell.
func (u Unit) unstarted() string {
	if u.Record == nil {
		return ""
	}
	switch u.Record.Outcome {
	case "", "done", "failed": // Active and Result tell
		return ""
	case "dependency":
		return "not started: a unit that it requires did not start"
	case "canceled":
		return "its start was canceled by another job for it"
	case "unsupported":
		return "not started: systemd has no units of this type on this machine"
	case "timeout":
		return "its start took longer than its job may (JobTimeoutSec=)"
	}
	return fmt.Sprintf("not started: systemd says %q of its job", u.Record.Outcome)
}
