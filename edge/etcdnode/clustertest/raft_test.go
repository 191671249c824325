package clustertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	facts "argosy/core/cluster"
	"argosy/edge/store"
)

// TestMoveLeadership brings raft's leadership to each member in turn, as an engine
// that takes the lead does.
func TestMoveLeadership(t *testing.T) {
	c := start(t)
	s := c.store(c.members[:]...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, m := range append(c.members[:], c.members[0]) {
		for range 2 { // the second time there is nothing to do
			if err := s.MoveLeadership(ctx, m.host); err != nil {
				t.Fatalf("to %s: %v", m.name, err)
			}
			if leader := c.await("after the move", c.members[:]...); leader != m {
				t.Errorf("%s leads, want %s", leader.name, m.name)
			}
		}
	}
	err := s.MoveLeadership(ctx, "192.0.2.1")
	if err == nil || !strings.HasSuffix(err.Error(), "move the store's leadership to 192.0.2.1: no member of the store is there") {
		t.Errorf("to a host that has no member: %v", err)
	}
	c.members[1].kill()
	if err := s.MoveLeadership(ctx, c.members[1].host); err == nil {
		t.Error("leadership went to a member that is down")
	}
}

// TestWritesWhileLeadershipMoves writes at each member, each write having one try,
// while the leadership goes round. raft takes no notice of what reaches the leader on
// its way out; none of those who write is told so.
func TestWritesWhileLeadershipMoves(t *testing.T) {
	c := start(t)
	mover := c.store(c.members[:]...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	moved := make(chan struct{})
	var writers sync.WaitGroup
	for i, m := range c.members {
		s := c.store(m)
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-moved:
					t.Logf("%s took %d writes", m.name, n)
					return
				default:
				}
				unit := facts.Unit{Name: facts.UnitName(fmt.Sprintf("web@%d-%d.service", i, n)), Hash: "ab", Desired: facts.Loaded}
				if _, err := s.PutUnit(t.Context(), unit, "text"); err != nil && !errors.Is(err, facts.ErrUnavailable) {
					t.Errorf("write at %s: %v", m.name, err)
					return
				}
			}
		})
	}
	for n := range 30 {
		if err := mover.MoveLeadership(ctx, c.members[n%3].host); err != nil {
			t.Errorf("move %d: %v", n, err)
		}
	}
	close(moved)
	writers.Wait()
}

// store is the store as some of the members serve it.
func (c *cluster) store(members ...*member) *store.Store {
	c.t.Helper()
	var endpoints []string
	for _, m := range members {
		endpoints = append(endpoints, m.url(2379))
	}
	s, err := store.Open(store.Config{Endpoints: endpoints, TLS: c.tls("core-01")})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestSettled: a member may be stopped while all go on, and not while one is away.
func TestSettled(t *testing.T) {
	c := start(t)
	s := c.store(c.members[:]...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	until(t, ctx, "all go on", s.Settled)
	c.members[1].kill()
	err := s.Settled(ctx)
	if err == nil || !strings.HasPrefix(err.Error(), "look whether all members of the store go on: ") {
		t.Errorf("one is down: %v", err)
	}
	c.members[1].start()
	until(t, ctx, "all go on again", s.Settled)
}
