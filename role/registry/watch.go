package registry

import (
	"context"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// pulse is how often a watch says that it is alive when nothing changes.
const pulse = 2 * time.Second

// watcher is one watch's account of what it has not yet told.
type watcher struct {
	untold map[cluster.UnitName]struct{} // guarded by Registry.mu
	woken  chan struct{}                 // holds one
}

// wake marks name as changed for all who watch it. mu is held.
func (r *Registry) wake(name cluster.UnitName) {
	for w := range r.watchers[name] {
		w.untold[name] = struct{}{}
		select {
		case w.woken <- struct{}{}:
		default:
		}
	}
}

// Watch tells each named unit as it is at revision least or later, and again
// whenever it has changed. Changes that come faster than send takes them are
// told as one. It ends with ctx, or with send's error.
func (r *Registry) Watch(ctx context.Context, least int64, names []cluster.UnitName, send func(api.WatchLine) error) error {
	// Waiting comes first: what was known before may be another unit's life.
	if err := r.read(ctx, least, func(*api.View, api.Freshness) {}); err != nil {
		return err
	}
	w := r.subscribe(names)
	defer r.unsubscribe(w, names)
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		for _, line := range r.tell(w, names) {
			if err := send(line); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.woken:
		case <-tick.C:
			fresh, err := r.Freshness()
			if err == nil {
				err = send(api.WatchLine{Freshness: fresh})
			}
			if err != nil {
				return err
			}
		}
	}
}

func (r *Registry) subscribe(names []cluster.UnitName) *watcher {
	w := &watcher{untold: map[cluster.UnitName]struct{}{}, woken: make(chan struct{}, 1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if r.watchers[name] == nil {
			r.watchers[name] = map[*watcher]struct{}{}
		}
		r.watchers[name][w] = struct{}{}
		w.untold[name] = struct{}{}
	}
	return w
}

func (r *Registry) unsubscribe(w *watcher, names []cluster.UnitName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if delete(r.watchers[name], w); len(r.watchers[name]) == 0 {
			delete(r.watchers, name)
		}
	}
}

// tell returns what w has not told, in the order of names.
func (r *Registry) tell(w *watcher, names []cluster.UnitName) []api.WatchLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []api.WatchLine
	fresh := r.freshness()
	for _, name := range names {
		if _, changed := w.untold[name]; !changed {
			continue
		}
		delete(w.untold, name)
		unit := r.view.Unit(name)
		lines = append(lines, api.WatchLine{Freshness: fresh, Unit: &unit})
	}
	return lines
}
