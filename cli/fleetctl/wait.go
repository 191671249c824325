package fleetctl

import (
	"context"
	"errors"
	"fmt"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

// errAllOver ends a watch when every change has its outcome.
var errAllOver = errors.New("all is over")

// wait follows the changes until each has its outcome, and calls over once for
// each; over sets the exit code. What is not over in time gets the code of that.
func (s *session) wait(ctx context.Context, w waiting, changes []*change, over func(*change, api.Unit)) error {
	if len(changes) == 0 {
		return nil
	}
	bounded, cancel := w.within(ctx)
	defer cancel()
	pending, last := map[cluster.UnitName]*change{}, map[cluster.UnitName]api.Unit{}
	var names []cluster.UnitName
	for _, c := range changes {
		pending[c.name], names = c, append(names, c.name)
	}
	progress := newProgress(s.err)
	err := s.Watch(bounded, names, func(line api.WatchLine) error {
		if line.Age() > api.Stale {
			progress.clear()
		}
		s.note(line.Freshness)
		if line.Unit == nil {
			return nil
		}
		unit := *line.Unit
		c, waited := pending[unit.Name]
		if !waited || !current(c, unit) {
			return nil
		}
		last[unit.Name] = unit
		if !unit.Outcome.Final() {
			progress.show("%d of %d: %s: %s", len(changes)-len(pending), len(changes), unit.Name, unit.Reason)
			return nil
		}
		delete(pending, unit.Name)
		progress.clear()
		over(c, unit)
		if len(pending) == 0 {
			return errAllOver
		}
		return nil
	})
	progress.clear()
	switch {
	case errors.Is(err, errAllOver):
		return nil
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, context.DeadlineExceeded):
		for _, c := range changes {
			if pending[c.name] != nil {
				s.tellLate(c, last[c.name])
			}
		}
		return nil
	default:
		return err
	}
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
