package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

// errAllOver ends a watch when every change has its outcome.
var errAllOver = errors.New("all is over")

// vigil is one wait for the outcomes of changes.
type vigil struct {
	s        *session
	over     func(*change, api.Unit)
	changes  int
	pending  map[cluster.UnitName]*change
	last     map[cluster.UnitName]api.Unit
	refused  map[cluster.UnitName]bool // for now: where one of the others comes to may change that
	progress *progress
}

// wait follows the changes until each has its outcome, and calls over once for
// each; over sets the exit code. What is not over in time gets the code of that.
func (s *session) wait(ctx context.Context, w waiting, changes []*change, over func(*change, api.Unit)) error {
	if len(changes) == 0 {
		return nil
	}
	bounded, cancel := w.within(ctx)
	defer cancel()
	v := vigil{
		s: s, over: over, changes: len(changes), progress: newProgress(s.err),
		pending: map[cluster.UnitName]*change{}, last: map[cluster.UnitName]api.Unit{}, refused: map[cluster.UnitName]bool{},
	}
	var names []cluster.UnitName
	for _, c := range changes {
		v.pending[c.name], names = c, append(names, c.name)
	}
	err := s.Watch(bounded, names, v.hear)
	v.progress.clear()
	switch {
	case errors.Is(err, errAllOver):
		return nil
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, context.DeadlineExceeded):
		for _, c := range changes {
			switch {
			case v.refused[c.name]:
				v.end(c)
			case v.pending[c.name] != nil:
				s.tellLate(c, v.last[c.name])
			}
		}
		return nil
	default:
		return err
	}
}

// hear takes in one line of the watch.
func (v *vigil) hear(line api.WatchLine) error {
	if line.Age() > api.Stale {
		v.progress.clear()
	}
	v.s.note(line.Freshness)
	if line.Unit == nil {
		return v.rest()
	}
	unit := *line.Unit
	c, waited := v.pending[unit.Name]
	if !waited || !current(c, unit) {
		return nil
	}
	v.last[unit.Name] = unit
	delete(v.refused, unit.Name)
	switch {
	case !unit.Outcome.Final():
		v.progress.show("%d of %d: %s: %s", v.changes-len(v.pending), v.changes, unit.Name, unit.Reason)
	case unit.Outcome == api.OutcomeUnplaced && v.changes > 1:
		v.refused[unit.Name] = true
	default:
		v.end(c)
	}
	if len(v.pending) == 0 {
		return errAllOver
	}
	return nil
}

// rest is when nothing has changed for a while: where all that is pending is
// refused, that is the outcome.
func (v *vigil) rest() error {
	if len(v.refused) < len(v.pending) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(v.pending)) {
		v.end(v.pending[name])
	}
	return errAllOver
}

func (v *vigil) end(c *change) {
	delete(v.pending, c.name)
	v.progress.clear()
	v.over(c, v.last[c.name])
}

// interrupted is the end of a wait by the user's own hand.
func interrupted() error { return errors.New("interrupted; what was asked for goes on") }

// current says that a view is of this change, or of a later one by someone else.
// A unit that is gone from the cluster has no generation.
func current(c *change, unit api.Unit) bool {
	return unit.Desired == "" || unit.Generation >= c.written.Generation && c.written.Generation > 0
}

func (s *session) tellLate(c *change, last api.Unit) {
	c.code = cli.ExitTimeout
	reason := last.Reason
	if reason == "" {
		reason = "nothing was heard of it"
	}
	fmt.Fprintf(s.err, "Unit %s: not there in time: %s; it goes on\n", c.name, reason)
}

// overtaken says that someone else now wants another thing of the unit, and tells it.
func (s *session) overtaken(c *change, unit api.Unit) bool {
	switch {
	case unit.Outcome == api.OutcomeGone || unit.Desired == "":
		fmt.Fprintf(s.err, "Unit %s: destroyed meanwhile\n", c.name)
	case unit.Desired != c.desired:
		fmt.Fprintf(s.err, "Unit %s: made %s meanwhile by %s\n", c.name, unit.Desired, unit.By)
	default:
		return false
	}
	c.code = cli.ExitError
	return true
}

// at is where a unit is, in fleet's words: " on 148a18ff.../10.10.1.1".
func at(u api.Unit) string {
	for _, on := range u.On {
		if on.Placed != nil {
			return " on " + machineAt(on.Machine, on.IP, false)
		}
	}
	return ""
}
