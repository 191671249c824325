package registry

import (
	"context"
	"errors"

	"argosy/core/api"
	"argosy/core/cluster"
)

// UnitPage lists at most most units behind after by name, with their texts.
func (r *Registry) UnitPage(ctx context.Context, least int64, after cluster.UnitName, most int) (page api.UnitPage, err error) {
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		page.Freshness = fresh
		page.Units, page.More = v.UnitPage(after, most)
	})
	for i := range page.Units {
		u := &page.Units[i]
		if u.Text != "" || len(u.DropIns) > 0 || u.Hash == cluster.HashOf("") {
			continue
		}
		// A unit whose text is gone is shown without.
		content, err := r.store.Content(ctx, u.Hash)
		if err != nil && !errors.Is(err, cluster.ErrNotFound) {
			return page, err
		}
		u.Carry(content)
	}
	return page, err
}

// StatePage lists at most most states behind after of the unit and the machine
// in only, either of which may be empty for any.
func (r *Registry) StatePage(ctx context.Context, least int64, only, after api.StateKey, most int) (page api.StatePage, err error) {
	err = r.read(ctx, least, func(v *api.View, fresh api.Freshness) {
		page.Freshness = fresh
		page.States, page.More = v.StatePage(only, after, most)
	})
	return page, err
}
