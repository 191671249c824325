package registry

import (
	"cmp"
	"context"
	"fmt"

	"argosy/core/api"
	"argosy/core/cluster"
)

// guard refuses a change of another unit than the one that the caller knows.
func (r *Registry) guard(ctx context.Context, stored cluster.Unit, change api.UnitChange, hash cluster.Hash) error {
	there := stored.Revision != 0
	switch {
	case change.IfGeneration == nil, change.Text != nil && there && stored.Hash == hash:
		return nil
	case there && *change.IfGeneration == stored.Generation, !there && *change.IfGeneration == 0:
		return nil
	}
	// Whoever looks now is to see what it is that was not expected.
	what := "it is no longer there"
	if there {
		r.awaitView(ctx, stored.Revision, func(*api.View) bool { return true })
		what = fmt.Sprintf("it is of generation %d, stored by %s", stored.Generation, cmp.Or(stored.By, "someone"))
	} else {
		r.awaitEnd(ctx, stored.Name)
	}
	e := api.AsError(fmt.Errorf("unit %s: %w: %s", stored.Name, cluster.ErrConflict, what))
	e.Hint = "look at it, and try again"
	return e
}

// awaitEnd waits until the view has let go of a unit that the store no longer has.
func (r *Registry) awaitEnd(ctx context.Context, name cluster.UnitName) {
	r.awaitView(ctx, 0, func(v *api.View) bool {
		_, there := v.Known(name)
		return !there
	})
}
