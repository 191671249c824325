package registry

import (
	"context"
	"fmt"
	"strings"

	"argosy/core/api"
	"argosy/core/cluster"
)

// Each read takes the least revision of the store that its answer must hold; 0
// is content with what is known.

// Machines lists the machines that are there, and with away also those of which
// only labels are known.
func (r *Registry) Machines(ctx context.Context, least int64, away bool) (answer api.Machines, err error) {
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		answer = api.Machines{Freshness: fresh, Machines: v.Machines(away)}
	})
	return answer, err
}

// Machine looks a machine up: cluster.ErrNotFound where it is not there, and what is
// known of it where it is out of touch.
func (r *Registry) Machine(ctx context.Context, id cluster.MachineID) (m cluster.Machine, err error) {
	there, silent := false, error(nil)
	err = r.read(ctx, 0, func(v *api.View, _ api.Freshness) {
		m, there = v.Machine(id)
		if away, is := v.OutOfTouch(id); is {
			silent = r.silence.outOfTouch(away)
		}
	})
	switch {
	case err == nil && silent != nil:
		err = silent
	case err == nil && !there:
		err = fmt.Errorf("machine %s: %w", id, cluster.ErrNotFound)
	}
	return m, err
}

// Units lists all units, or those of only that there are.
func (r *Registry) Units(ctx context.Context, least int64, only []cluster.UnitName) (answer api.Units, err error) {
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		answer = api.Units{Freshness: fresh, Units: v.Units(only)}
	})
	return answer, err
}

// Unit tells all about one unit, with its text.
func (r *Registry) Unit(ctx context.Context, least int64, name cluster.UnitName) (answer api.UnitAnswer, err error) {
	there, known, content := false, false, ""
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		if _, there = v.Known(name); there {
			answer = api.UnitAnswer{Freshness: fresh, Unit: v.Unit(name)}
			content, known = v.Content(answer.Unit.Hash)
		}
	})
	switch {
	case err != nil:
		return answer, err
	case !there:
		return answer, r.notFound(name)
	case !known:
		content, err = r.store.Content(ctx, answer.Unit.Hash)
	}
	answer.Unit.Carry(content)
	return answer, err
}

// UnitsBeginning lists the units whose names begin so.
func (r *Registry) UnitsBeginning(ctx context.Context, least int64, b api.Beginning) (answer api.Units, err error) {
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		answer = api.Units{Freshness: fresh, Units: v.UnitsBeginning(b)}
	})
	return answer, err
}

// MachinesBeginning lists the machines whose hostname or id begins so.
func (r *Registry) MachinesBeginning(ctx context.Context, least int64, b api.Beginning) (answer api.Machines, err error) {
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		answer = api.Machines{Freshness: fresh, Machines: v.MachinesBeginning(b)}
	})
	return answer, err
}

// States lists what systemd says on all machines, or on one.
func (r *Registry) States(ctx context.Context, least int64, machine cluster.MachineID) (answer api.States, err error) {
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		answer = api.States{Freshness: fresh, States: v.States(machine)}
	})
	return answer, err
}

// notFound says that there is no such unit, and which ones may have been meant.
func (r *Registry) notFound(name cluster.UnitName) error {
	r.mu.Lock()
	names := r.view.UnitNames()
	r.mu.Unlock()
	near := api.Near(name, names)
	e := api.AsError(fmt.Errorf("unit %s: %w", name, cluster.ErrNotFound))
	if len(near) > 0 {
		words := make([]string, len(near))
		for i, n := range near {
			words[i] = string(n)
		}
		e.Hint = "did you mean " + strings.Join(words, ", ") + "?"
	}
	return e
}
