package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// attempts bounds how often a write that lost its guard is decided anew. Each
// loss means that another one's write won.
const attempts = 8

// SetUnit stores what by wants of the unit: change.Desired, and change.Text
// unless it is nil. What is so already is not written, unless it is to be
// superseded.
func (r *Registry) SetUnit(ctx context.Context, by access.Caller, name cluster.UnitName, change api.UnitChange) (api.Written, error) {
	reading, err := check(name, change)
	if err != nil {
		return api.Written{}, err
	}
	for range attempts {
		written, err := r.setOnce(ctx, by, name, change)
		var decided *api.Error // what the caller guards has changed
		if errors.Is(err, cluster.ErrConflict) && !errors.As(err, &decided) {
			continue
		}
		if err != nil {
			return api.Written{}, err
		}
		if change.Text == nil {
			reading = r.readingOf(ctx, written)
		}
		written.Warnings, written.Global = reading.Warnings, reading.Global
		if written.Changed {
			r.awaitView(ctx, written.Revision, func(*api.View) bool { return true })
			r.log.Info("unit written", "unit", name, "desired", written.Desired, "hash", written.Hash,
				"generation", written.Generation, "by", by.Account.Name)
		}
		return written, nil
	}
	return api.Written{}, fmt.Errorf("set unit %s: lost to others %d times: %w", name, attempts, cluster.ErrConflict)
}

// check refuses what can't be right whatever is stored.
func check(name cluster.UnitName, change api.UnitChange) (reading api.Reading, err error) {
	if !change.Desired.Valid() {
		return reading, api.Invalid(fmt.Sprintf("desired is %q", change.Desired),
			"expected inactive, loaded or launched")
	}
	if name.IsTemplate() && change.Desired != cluster.Inactive {
		return reading, api.Invalid(fmt.Sprintf("%s is a template: it can only be inactive", name),
			fmt.Sprintf("name an instance, such as %s@1%s", name.Prefix(), name.Suffix()))
	}
	if change.Supersede < 0 || change.Supersede > 0 && change.Desired != cluster.Launched {
		return reading, api.Invalid(fmt.Sprintf("supersede is %d and desired %s", change.Supersede, change.Desired),
			"expected the generation of a unit that is to be launched again")
	}
	if change.IfGeneration != nil && *change.IfGeneration < 0 {
		return reading, api.Invalid(fmt.Sprintf("ifGeneration is %d", *change.IfGeneration),
			"expected the generation of the unit that is to be changed, or 0 where there is to be none")
	}
	unit := change.Bundle()
	switch {
	case unit != nil:
		return api.Read(name, *unit)
	case len(change.DropIns) > 0 || change.Signatures != "":
		return reading, api.Invalid(fmt.Sprintf("unit %s: there are drop-ins or signatures and no text", name),
			"send the unit's file with them")
	}
	return reading, nil
}

func (r *Registry) setOnce(ctx context.Context, by access.Caller, name cluster.UnitName, change api.UnitChange) (api.Written, error) {
	stored, asOf, err := r.store.Unit(ctx, name)
	created := errors.Is(err, cluster.ErrNotFound)
	switch {
	case created && change.Text == nil:
		r.awaitEnd(ctx, name)
		return api.Written{}, r.notFound(name)
	case created:
		if err := r.clash(name); err != nil {
			return api.Written{}, err
		}
		// A unit that is destroyed and made again must not repeat a generation
		// that a machine has acted on, or it would not be started. A generation
		// never exceeds the revision of the write that it came with, so counting
		// from the store's own revision is above all earlier ones.
		stored = cluster.Unit{Name: name, Generation: asOf}
	case err != nil:
		return api.Written{}, fmt.Errorf("set unit %s: %w", name, err)
	}
	next := stored
	next.Desired = change.Desired
	var given *string
	if unit := change.Bundle(); unit != nil {
		content := unit.Content()
		given, next.Hash = &content, cluster.HashOf(content)
	}
	if change.Supersede > stored.Generation {
		return api.Written{}, api.Invalid(fmt.Sprintf("unit %s: supersede is %d, but its generation is %d", name, change.Supersede, stored.Generation),
			"read the unit anew")
	}
	if next == stored && change.Supersede != stored.Generation {
		return written(stored, false, false), nil
	}
	if err := r.guard(ctx, stored, change, next.Hash); err != nil {
		return api.Written{}, err
	}
	next.Generation, next.By, next.At = stored.Generation+1, by.Account.Name, time.Now().UTC()
	content, err := r.content(ctx, next.Hash, given)
	if err == nil && (given != nil || nearer(stored.Desired, next.Desired)) {
		err = r.permitted(ctx, name, content)
	}
	if err == nil && next.Desired == cluster.Launched {
		err = r.secretsFor(ctx, name, content)
	}
	if err == nil {
		next, err = r.store.PutUnit(ctx, next, content, by.Entry(access.Change, "set unit "+string(name), unitNote(next), next.At))
	}
	if err != nil {
		return api.Written{}, fmt.Errorf("set unit %s: %w", name, err)
	}
	return written(next, created, true), nil
}

// unitNote says, for the audit, what is wanted of a unit.
func unitNote(u cluster.Unit) string {
	return fmt.Sprintf("%s, text %s, generation %d", u.Desired, u.Hash, u.Generation)
}

// clash refuses a new unit that would be another one's service on its machine.
func (r *Registry) clash(name cluster.UnitName) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view.Clash(name)
}

func written(u cluster.Unit, created, changed bool) api.Written {
	return api.Written{
		Name: u.Name, Revision: u.Revision, Generation: u.Generation, Hash: u.Hash, Desired: u.Desired,
		Created: created, Changed: changed,
	}
}

// content is given, or what the store holds under hash.
func (r *Registry) content(ctx context.Context, hash cluster.Hash, given *string) (string, error) {
	if given != nil {
		return *given, nil
	}
	r.mu.Lock()
	content, known := r.view.Content(hash)
	r.mu.Unlock()
	if known {
		return content, nil
	}
	return r.store.Content(ctx, hash)
}

// readingOf is what the text of a unit says that has been written without it. It
// may be too new for the view.
func (r *Registry) readingOf(ctx context.Context, w api.Written) api.Reading {
	content, err := r.content(ctx, w.Hash, nil)
	if err != nil {
		return api.Reading{}
	}
	return api.Reread(w.Name, content)
}

// Destroy takes the unit out of the cluster; the leader then takes it off its
// machines.
func (r *Registry) Destroy(ctx context.Context, by access.Caller, name cluster.UnitName) (api.Written, error) {
	for range attempts {
		stored, _, err := r.store.Unit(ctx, name)
		if errors.Is(err, cluster.ErrNotFound) {
			return api.Written{}, r.notFound(name)
		}
		if err == nil {
			err = r.store.DeleteUnit(ctx, name, stored.Revision, by.Entry(access.Change, "destroy unit "+string(name), "", time.Now()))
		}
		switch {
		case err == nil:
			gone := r.awaitGone(ctx, stored)
			r.log.Info("unit destroyed", "unit", name, "by", by.Account.Name)
			// A unit of that name with this generation or a later one is a new unit.
			return api.Written{Name: name, Revision: gone, Generation: stored.Generation + 1, Changed: true}, nil
		case errors.Is(err, cluster.ErrConflict), errors.Is(err, cluster.ErrNotFound):
			continue // the next look tells which
		default:
			return api.Written{}, fmt.Errorf("destroy unit %s: %w", name, err)
		}
	}
	return api.Written{}, fmt.Errorf("destroy unit %s: lost to others %d times: %w", name, attempts, cluster.ErrConflict)
}

// awaitGone waits until the view shows that a unit is no longer as it was
// stored, and returns a revision at which that is so for every reader.
func (r *Registry) awaitGone(ctx context.Context, stored cluster.Unit) int64 {
	if at, shown := r.awaitView(ctx, stored.Revision, func(v *api.View) bool {
		known, there := v.Known(stored.Name)
		return !there || known.Revision > stored.Revision
	}); shown {
		return at
	}
	if _, asOf, err := r.store.Unit(ctx, stored.Name); err == nil || errors.Is(err, cluster.ErrNotFound) {
		return asOf
	}
	return stored.Revision + 1 // the least that it can be
}

// ownView is how long a write waits for the view to have it.
const ownView = 2 * time.Second

// awaitView waits until the view shows what has just been written, so that the
// next read here does, whoever asks. A view older than least has nothing to say.
// It takes a millisecond; a view that is late changes nothing about the write.
// It returns the view's revision, and whether it came so far.
func (r *Registry) awaitView(ctx context.Context, least int64, shown func(*api.View) bool) (int64, bool) {
	ctx, cancel := context.WithTimeout(ctx, ownView)
	defer cancel()
	for {
		r.mu.Lock()
		revision, advanced := r.revision, r.advanced
		done := revision >= least && shown(r.view)
		r.mu.Unlock()
		if done {
			return revision, true
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return revision, false
		}
	}
}
