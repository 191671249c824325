package api

import (
	"fmt"
	"slices"

	"argosy/core/cluster"
)

// Outcome is how it is going with what is wanted of a unit. It is judged for
// the unit's present generation: what a machine did for an earlier one counts
// for nothing.
type Outcome string

const (
	OutcomeWorking  Outcome = "working"  // not there yet: Reason says what is under way
	OutcomeActive   Outcome = "active"   // started, and it runs
	OutcomeDone     Outcome = "done"     // started, and it has ended well
	OutcomeFailed   Outcome = "failed"   // the machine could not do it, or the unit ended badly
	OutcomeUnplaced Outcome = "unplaced" // no machine may run it; it starts as soon as one may
	OutcomeLoaded   Outcome = "loaded"   // on a machine and not started, as wanted
	OutcomeInactive Outcome = "inactive" // on no machine, as wanted
	OutcomeGone     Outcome = "gone"     // not in the cluster, and on no machine either
)

// Final says that nothing more happens of itself. An unplaced unit is not at
// its end, but only another machine or another unit's leaving changes that.
func (o Outcome) Final() bool { return o != OutcomeWorking }

// situation is all that is known of one unit.
type situation struct {
	unit     *cluster.Unit // nil: it is not in the cluster
	unplaced *cluster.Unplaced
	on       []Presence
}

// judge tells the outcome, and why in words for people.
func judge(s situation) (Outcome, string) {
	switch {
	case s.unit == nil || s.unit.Desired == cluster.Inactive:
		return judgeGone(s)
	case s.refused():
		return OutcomeUnplaced, s.unplaced.Reason
	}
	worst, reason := OutcomeWorking, "waiting for a machine to be chosen"
	for i, presence := range s.on {
		outcome, why := judgeOn(*s.unit, presence)
		if i == 0 || rank(outcome) > rank(worst) {
			worst, reason = outcome, why
		}
	}
	return worst, reason
}

// Culprit is the first machine on which the unit's outcome came about; empty where
// it is none's.
func (u Unit) Culprit() cluster.MachineID {
	for _, on := range u.On {
		if outcome, _ := judgeOn(cluster.Unit{Generation: u.Generation, Desired: u.Desired}, on); outcome == u.Outcome {
			return on.Machine
		}
	}
	return ""
}

// refused says that the leader found no machine for this very generation, or has the
// unit wait. What is placed on a machine that is gone runs nowhere that anybody sees.
func (s situation) refused() bool {
	return s.unplaced != nil && s.unplaced.Generation == s.unit.Generation &&
		!slices.ContainsFunc(s.on, func(p Presence) bool { return p.Placed != nil && (p.State != nil || p.Name != "" || p.IP != "") })
}

// judgeGone judges a unit that is wanted on no machine. A problem counts once its
// machine knows that: what it tells then is of no generation.
func judgeGone(s situation) (Outcome, string) {
	for _, presence := range s.on {
		if presence.State != nil && presence.State.Problem != "" && presence.State.Generation == 0 && presence.Placed == nil {
			return OutcomeFailed, fmt.Sprintf("on %s: %s", presence.Called(), presence.State.Problem)
		}
	}
	switch {
	case len(s.on) > 0:
		return OutcomeWorking, "waiting for " + s.on[0].Called() + " to let go of it"
	case s.unit == nil:
		return OutcomeGone, ""
	default:
		return OutcomeInactive, ""
	}
}

// rank orders outcomes on several machines: what is bad on one is bad for all,
// and nothing is over before it is over everywhere.
func rank(o Outcome) int {
	return slices.Index([]Outcome{OutcomeLoaded, OutcomeDone, OutcomeActive, OutcomeWorking, OutcomeFailed}, o)
}

// judgeOn judges a unit that is wanted loaded or launched, on one machine.
func judgeOn(unit cluster.Unit, on Presence) (Outcome, string) {
	placed, state := on.Placed, on.State
	switch {
	case placed == nil:
		return OutcomeWorking, "waiting for " + on.Called() + " to let go of it"
	case placed.Generation != unit.Generation:
		return OutcomeWorking, "waiting for the order to reach " + on.Called()
	case state == nil || state.Generation != unit.Generation:
		return OutcomeWorking, "waiting for " + on.Called()
	case state.Problem != "":
		return OutcomeFailed, fmt.Sprintf("on %s: %s", on.Called(), state.Problem)
	case state.Phase != cluster.Settled:
		return OutcomeWorking, fmt.Sprintf("on %s: %s", on.Called(), Said(*state))
	case state.Load != "" && state.Load != "loaded":
		return OutcomeFailed, fmt.Sprintf("on %s: systemd says the unit's file is %s", on.Called(), state.Load)
	case unit.Desired == cluster.Loaded:
		return OutcomeLoaded, ""
	}
	return judgeStarted(on)
}

// judgeStarted judges a unit whose start job has ended.
func judgeStarted(on Presence) (Outcome, string) {
	state, said := *on.State, fmt.Sprintf("on %s: %s", on.Called(), Said(*on.State))
	well := state.Result == "" || state.Result == "success"
	switch state.Active {
	case "active", "reloading", "refreshing":
		return OutcomeActive, ""
	case "inactive":
		if well {
			return OutcomeDone, said
		}
		return OutcomeFailed, said
	case "activating", "deactivating", "maintenance":
		// With the job at its end this is systemd's own Restart= at work, or
		// the unit on its way down. After a bad end it is that which counts.
		if well {
			return OutcomeWorking, said
		}
		return OutcomeFailed, said
	default: // "failed", and what a later systemd may invent
		return OutcomeFailed, said
	}
}

// Said is what systemd says of a unit, in one line: "failed (failed), exit-code".
func Said(s cluster.UnitState) string {
	line := fmt.Sprintf("%s (%s)", s.Active, s.Sub)
	if s.Result != "" && s.Result != "success" {
		line += ", " + s.Result
	}
	return line
}

// Called names the machine for people: its hostname, or else its id.
func (p Presence) Called() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Machine.Short()
}

// current is how far the machines have come, in fleet's three steps.
func current(s situation) cluster.Desired {
	step := cluster.Inactive
	for _, on := range s.on {
		if on.State == nil {
			continue
		}
		acted := on.Placed != nil && on.State.Generation == on.Placed.Generation
		runs := on.State.Active != "inactive" && on.State.Active != "failed" && on.State.Active != ""
		if acted && on.Placed.Desired == cluster.Launched || !acted && runs {
			return cluster.Launched
		}
		step = cluster.Loaded
	}
	return step
}
