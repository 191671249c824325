package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"argosy/cli"
	"argosy/core/api"
)

// roll restarts a global unit on one machine after another, each when the unit
// runs again on the one before. A new generation would restart it everywhere at
// once; so the machines themselves are asked, and no placement changes.
func (s *session) roll(ctx context.Context, c *change, unit api.Unit, w waiting) error {
	on := slices.DeleteFunc(slices.Clone(unit.On), func(p api.Presence) bool { return p.Placed == nil })
	s.triggered([]*change{{name: c.name, written: api.Written{Global: true}}}, "restart", true)
	progress := newProgress(s.err)
	for i, place := range on {
		if place.Name == "" {
			s.warn("%s on %s: that machine is not there now", unit.Name, place.Called())
			continue
		}
		progress.show("%d of %d: %s: restarting on %s", i, len(on), unit.Name, place.Called())
		err := s.askRestart(ctx, c, place, w)
		progress.clear()
		if err := s.rolled(ctx, c, place, err); err != nil {
			return err
		}
		if c.code == cli.ExitOK {
			fmt.Fprintf(s.out, "Unit %s launched on %s\n", unit.Name, machineAt(place.Machine, place.IP, false))
			continue
		}
		if rest := on[i+1:]; len(rest) > 0 {
			fmt.Fprintf(s.err, "Unit %s: not restarted on %s\n", unit.Name, called(rest))
		}
		return nil
	}
	return nil
}

// errLate says that a machine took longer than the user would wait.
var errLate = errors.New("not there in time")

// askRestart restarts the unit on one machine and waits until it runs there again.
func (s *session) askRestart(ctx context.Context, c *change, place api.Presence, w waiting) error {
	bounded, cancel := w.within(ctx)
	defer cancel()
	err := s.Restart(bounded, c.name, place.Machine)
	if err != nil && errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return errLate
	}
	return err
}

// rolled tells how one machine's restart went wrong, if it did, and sets the exit
// code.
func (s *session) rolled(ctx context.Context, c *change, place api.Presence, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, errLate):
		c.code = cli.ExitTimeout
		fmt.Fprintf(s.err, "Unit %s: not there in time: on %s: it is restarting; it goes on\n", c.name, place.Called())
		return nil
	}
	var answered *api.Error
	if errors.As(err, &answered) && answered.Code >= 400 && answered.Code < 500 {
		c.code = s.tell(err)
		return nil
	}
	c.code = cli.ExitError
	fmt.Fprintf(s.err, "Unit %s failed: %v\n", c.name, err)
	s.lastWords(ctx, c.name, place.Machine)
	return nil
}

// called names machines for people.
func called(on []api.Presence) string {
	var names []string
	for _, place := range on {
		names = append(names, place.Called())
	}
	return strings.Join(names, ", ")
}
