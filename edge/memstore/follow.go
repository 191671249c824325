package memstore

import (
	"context"
	"maps"
	"slices"
	"sort"

	"argosy/core/cluster"
	"argosy/role/runtime"
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
	if machine, one := scope.Machine(); one {
		return s.in(folder{"placements", machine})
	}
	keys := slices.SortedFunc(maps.Keys(s.facts), key.compare)
	events := make([]cluster.Event, len(keys))
	for i, k := range keys {
		events[i] = s.facts[k].changed
	}
	return events
}

// follower is one Follow.
type follower struct {
	scope cluster.Scope
	bell  runtime.Bell
}

// wake has those look again whom some of the changes concern.
func (s *Store) wake(changes []past) {
	for _, f := range s.followers {
		if slices.ContainsFunc(changes, func(p past) bool { return p.key.in(f.scope) }) {
			f.bell.Ring()
		}
	}
}

func (s *Store) wakeAll() {
	for _, f := range s.followers {
		f.bell.Ring()
	}
	s.wakeReaders()
}

func (s *Store) join(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers = append(s.followers, f)
}

func (s *Store) part(f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers = slices.DeleteFunc(s.followers, func(other *follower) bool { return other == f })
}

// Follow hands over the scope and then its changes, as edge/store's does.
func (s *Store) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	f := &follower{scope: scope, bell: s.on.NewBell()}
	s.join(f)
	defer s.part(f)
	var known int64
	confirm, due := false, s.on.Now().Add(s.confirmEvery)
	for {
		batch, there := s.since(scope, known)
		if there && (batch.Reset || len(batch.Events) > 0 || confirm) {
			if err := deliver(batch); err != nil {
				return err
			}
			known = batch.Revision
		}
		if err := f.bell.Wait(ctx, due); err != nil {
			return err
		}
		now := s.on.Now()
		if confirm = !now.Before(due); confirm {
			due = now.Add(s.confirmEvery)
		}
	}
}

// since is what has changed, unless the store is away.
func (s *Store) since(scope cluster.Scope, known int64) (batch cluster.Batch, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return batch, false
	}
	return s.changes(scope, known), true
}
