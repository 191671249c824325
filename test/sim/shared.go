package sim

import (
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/edge/memstore"
	"argosy/role/runtime"
	"argosy/test/sim/laws"
)

// shared is the store that all machines share, and all who follow it. After each
// call it tells the laws what the call has written and wakes the followers whose
// scope that touches.
type shared struct {
	*memstore.Store
	world *World
	seen  int64 // the revision that the laws have been told of

	everything []*follower
	assigned   map[cluster.MachineID][]*follower
}

// follower is one Follow on its way over a machine's link.
type follower struct {
	scope cluster.Scope
	bell  runtime.Bell
	known int64
}

func newShared(w *World, on runtime.Runtime) *shared {
	s := &shared{world: w, assigned: map[cluster.MachineID][]*follower{}}
	s.Store = memstore.NewOn(leaseClock{on, s})
	s.seen = s.Changes(cluster.Everything, 0).Revision
	return s
}

// leaseClock is the store's runtime. What the store does by its own clock is to
// end leases.
type leaseClock struct {
	runtime.Runtime
	store *shared
}

func (c leaseClock) AfterFunc(d time.Duration, f func()) runtime.Timer {
	return c.Runtime.AfterFunc(d, func() {
		f()
		c.store.absorb(laws.Writer{Role: laws.Expiry})
	})
}

// do has a call of somebody's done and tells what came of it.
func (s *shared) do(by laws.Writer, call func()) {
	call()
	s.absorb(by)
}

// absorb tells the laws, and wakes who follows.
func (s *shared) absorb(by laws.Writer) {
	batch := s.Changes(cluster.Everything, s.seen)
	if batch.Revision == s.seen {
		return
	}
	s.seen = batch.Revision
	t := laws.Transaction{At: s.world.now(), Revision: batch.Revision, By: by}
	for _, event := range batch.Events {
		w := said(event, s.world.wishes)
		t.Writes = append(t.Writes, w)
		if w.Key.Kind == laws.Placements || w.Key.Kind == laws.Probes {
			for _, f := range s.assigned[w.Key.Machine] {
				f.bell.Ring()
			}
		}
	}
	for _, f := range s.everything {
		f.bell.Ring()
	}
	s.world.see(t)
}

// join has a follower woken by what touches its scope, until leave is called.
func (s *shared) join(f *follower) (leave func()) {
	id, one := f.scope.Machine()
	if !one {
		s.everything = append(s.everything, f)
		return func() { s.everything = without(s.everything, f) }
	}
	s.assigned[id] = append(s.assigned[id], f)
	return func() { s.assigned[id] = without(s.assigned[id], f) }
}

func without(followers []*follower, f *follower) []*follower {
	return slices.DeleteFunc(followers, func(other *follower) bool { return other == f })
}
