package fleetctl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"argosy/core/api"
	"argosy/core/cluster"
)

// spread has the units that use a secret run with a version of it, one after another, or
// names those that do not. How far it is stands in the units' states and nowhere else:
// each says what it was given. So the same call again goes on where one was cut short.
func (s *session) spread(ctx context.Context, written api.SecretWritten, f secretFlags) error {
	var names []cluster.UnitName
	var late []string
	before := int64(0)
	for _, use := range written.Used {
		if use.Desired != cluster.Launched {
			continue
		}
		if !slices.Contains(names, use.Unit) {
			names = append(names, use.Unit)
		}
		if use.Version != written.Version {
			before = max(before, use.Version)
			if !slices.Contains(late, string(use.Unit)) {
				late = append(late, string(use.Unit))
			}
		}
	}
	if f.restart && len(names) > 0 {
		err := s.rollSecret(ctx, written, names, f.waiting)
		if err != nil && before > 0 {
			fmt.Fprintf(s.err, "The same command goes on from here; or back: fleetctl secret set %s --from %d --restart\n", written.Name, before)
		}
		return err
	}
	if len(late) > 0 {
		fmt.Fprintf(s.err, "%s until started anew: %s\nRestart them one after another with --restart\n", keeping(len(late)), several(late))
	}
	return nil
}

// secretRoll restarts units with a version of a secret.
type secretRoll struct {
	*session
	waiting
	secret  cluster.SecretName
	version int64
	due     map[cluster.UnitName]api.Unit // in those places alone where they are to be restarted
}

func (s *session) rollSecret(ctx context.Context, written api.SecretWritten, names []cluster.UnitName, w waiting) error {
	answer, err := s.UnitsNamed(ctx, names)
	if err != nil {
		return err
	}
	s.note(answer.Freshness)
	r := secretRoll{s, w, written.Name, written.Version, map[cluster.UnitName]api.Unit{}}
	var changes []*change
	there, due := 0, 0
	for _, unit := range answer.Units {
		there += len(unit.On)
		unit.On = slices.DeleteFunc(slices.Clone(unit.On), r.runs)
		due += len(unit.On)
		if len(unit.On) > 0 {
			r.due[unit.Name] = unit
			changes = append(changes, &change{name: unit.Name, desired: cluster.Launched})
		}
	}
	if !written.Changed && 0 < due && due < there {
		fmt.Fprintf(s.out, "Going on: version %d runs in %d of %d places already\n", r.version, there-due, there)
	}
	return s.inTurn(changes, func(c *change) error { return r.one(ctx, c) })
}

// runs says whether a unit does well somewhere with the version.
func (r secretRoll) runs(at api.Presence) bool {
	return r.given(at) && at.State.Active != "failed" && !starting(at)
}

func (r secretRoll) given(at api.Presence) bool {
	return at.State != nil && at.State.Secrets.Of(r.secret) == r.version
}

func starting(at api.Presence) bool { return strings.HasSuffix(at.State.Active, "activating") }

// one restarts a unit, or waits where it starts with the version already: it is what a
// call that was cut short began last.
func (r secretRoll) one(ctx context.Context, c *change) error {
	unit := r.due[c.name]
	switch {
	case unit.Global:
		return r.roll(ctx, c, unit, r.waiting)
	case slices.ContainsFunc(unit.On, func(at api.Presence) bool { return r.given(at) && starting(at) }):
		c.written = api.Written{Generation: unit.Generation}
		return r.arrive(ctx, []*change{c}, r.waiting)
	}
	return r.restartOne(ctx, c, func(c *change) (api.Written, error) {
		return r.SetUnit(ctx, c.name, api.UnitChange{Desired: cluster.Launched, Supersede: unit.Generation})
	}, r.waiting)
}

func keeping(units int) string {
	if units == 1 {
		return "1 unit keeps what it was given"
	}
	return fmt.Sprintf("%d units keep what they were given", units)
}
