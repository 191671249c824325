// Package memstore is the store in memory, for tests and the simulator: the same
// promises as edge/store, kept by the same contract suite, without a network. It
// can be made to fail: put away, made to lose its history, its leases ended.
//
// It is a plain state machine under one lock. Its clock, by which leases end, is
// that of the Runtime it stands on. Nothing in it has an order that differs from
// one time to the next.
package memstore

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/role/runtime"
)

// Store is one store in memory. The zero value is of no use; see New.
type Store struct {
	on           runtime.Runtime
	confirmEvery time.Duration

	mu        sync.Mutex
	revision  int64
	facts     map[key]fact // put and drop alone change it
	index     index
	history   []past
	forgot    int64 // the revision up to which the history is gone
	leases    map[int64]*lease
	lastID    int64
	marks     map[cluster.Hash]int64 // of texts that may be about to be collected
	away      bool
	writes    int // how many transactions have changed something
	followers []*follower
	register  register
	secrets   map[cluster.SecretName]cluster.Secret
	policy    signing.Policy
	audit     []access.Entry // in order
}

// fact is a fact as it stands: the event of its last write.
type fact struct {
	changed  cluster.Event
	revision int64
	lease    int64
}

// past is one change of the past, for followers.
type past struct {
	revision int64
	key      key
	event    cluster.Event
}

type lease struct {
	ttl  time.Duration
	ends runtime.Timer
}

// New returns an empty store on Go's own runtime; in a testing/synctest bubble its
// clock is the bubble's. Followers of an idle store are told once a second that
// nothing has changed.
func New() *Store { return NewOn(runtime.Real()) }

// NewOn returns an empty store on another runtime.
func NewOn(on runtime.Runtime) *Store {
	return &Store{
		on:           on,
		confirmEvery: time.Second,
		revision:     1,
		facts:        map[key]fact{},
		index:        newIndex(),
		leases:       map[int64]*lease{},
		marks:        map[cluster.Hash]int64{},
		register:     newRegister(),
		secrets:      map[cluster.SecretName]cluster.Secret{},
	}
}

// SetAway takes the store out of reach, or brings it back. Leases go on ending.
func (s *Store) SetAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
	s.wakeAll()
}

// Compact forgets the history, so that a follower that has not read it must
// begin again.
func (s *Store) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history, s.forgot = nil, s.revision
	s.wakeAll()
}

// Writes is how many transactions have changed something so far.
func (s *Store) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// EndLease ends a lease as if its time had come.
func (s *Store) EndLease(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(id)
}

// Close ends nothing: a store in memory has no connection.
func (s *Store) Close() error { return nil }

// enter locks the store for a call, unless it is away or the caller has gone.
func (s *Store) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	if s.away {
		s.mu.Unlock()
		return cluster.ErrUnavailable
	}
	return nil
}

// change is one write of a transaction: a fact's new state, or its end.
type change struct {
	key     key
	changed cluster.Event
	lease   int64         // that a changed fact is bound to; 0 for none
	gone    cluster.Event // set instead of changed
}

// write does a transaction and returns its revision. One that changes nothing
// has no revision of its own, as in etcd.
func (s *Store) write(changes ...change) int64 {
	next, before := s.revision+1, len(s.history)
	for _, c := range changes {
		if c.gone == nil {
			stamped := stamp(c.changed, next)
			s.put(c.key, fact{changed: stamped, revision: next, lease: c.lease})
			s.history = append(s.history, past{next, c.key, stamped})
		} else if s.drop(c.key) {
			s.history = append(s.history, past{next, c.key, c.gone})
		}
	}
	if len(s.history) > before {
		s.revision = next
		s.writes++
		s.wake(s.history[before:])
	}
	return s.revision
}

// stamp gives the fact of an event its revision and cuts its ties to the caller.
func stamp(event cluster.Event, revision int64) cluster.Event {
	switch e := cluster.Stamped(event, revision).(type) {
	case cluster.MachineChanged:
		e.Machine.Metadata = maps.Clone(e.Machine.Metadata)
		e.Machine.Versions = maps.Clone(e.Machine.Versions)
		return e
	case cluster.LabelsChanged:
		e.Labels.Set = maps.Clone(e.Labels.Set)
		return e
	case cluster.ProbesChanged:
		e.Probes.Targets = slices.Clone(e.Probes.Targets)
		return e
	case cluster.SuspicionChanged:
		e.Suspicion.Reaches = slices.Clone(e.Suspicion.Reaches)
		return e
	default:
		return e
	}
}
