package memstore

import (
	"context"
	"slices"
	"sort"
	"time"

	"argosy/core/cluster"
)

// Changes returns what has changed in the scope since a revision, all in one
// batch: a Reset where the revision is 0 or the history of it is gone. It is
// Follow for a caller that has no goroutine to spare.
func (s *Store) Changes(scope cluster.Scope, since int64) cluster.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes(scope, since)
}

func (s *Store) changes(scope cluster.Scope, since int64) cluster.Batch {
	batch := cluster.Batch{Revision: s.revision}
	if since == 0 || since < s.forgot {
		batch.Reset = true
		batch.Events = s.all(scope)
		return batch
	}
	first := sort.Search(len(s.history), func(i int) bool { return s.history[i].revision > since })
	for _, past := range s.history[first:] {
		if past.key.in(scope) {
			batch.Events = append(batch.Events, past.event)
		}
	}
	return batch
}

// all lists the facts of the scope in the order of their keys.
func (s *Store) all(scope cluster.Scope) []cluster.Event {
	var keys []key
	for k := range s.facts {
		if k.in(scope) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, key.compare)
	events := make([]cluster.Event, len(keys))
	for i, k := range keys {
		events[i] = s.facts[k].changed
	}
	return events
}

// Follow hands over the scope and then its changes, as edge/store's does.
func (s *Store) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	var known int64
	confirm := time.NewTicker(s.confirmEvery)
	defer confirm.Stop()
	idle := false
	for {
		s.mu.Lock()
		news, away := s.news, s.away
		var batch cluster.Batch
		if !away {
			batch = s.changes(scope, known)
		}
		s.mu.Unlock()

		if !away && (batch.Reset || len(batch.Events) > 0 || idle) {
			if err := deliver(batch); err != nil {
				return err
			}
			known = batch.Revision
		}
		idle = false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		case <-confirm.C:
			idle = true
		}
	}
}
