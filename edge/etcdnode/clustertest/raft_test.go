package clustertest

import (
	"context"
	"strings"
	"testing"

	"argosy/edge/store"
)

// TestMoveLeadership brings raft's leadership to each member in turn, as an engine
// that takes the lead does.
func TestMoveLeadership(t *testing.T) {
	c := start(t)
	var endpoints []string
	for _, m := range c.members {
		endpoints = append(endpoints, m.url(2379))
	}
	s, err := store.Open(store.Config{Endpoints: endpoints, TLS: c.tls("local")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
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
	err = s.MoveLeadership(ctx, "192.0.2.1")
	if err == nil || !strings.HasSuffix(err.Error(), "move the store's leadership to 192.0.2.1: no member of the store is there") {
		t.Errorf("to a host that has no member: %v", err)
	}
	c.members[1].kill()
	if err := s.MoveLeadership(ctx, c.members[1].host); err == nil {
		t.Error("leadership went to a member that is down")
	}
}
