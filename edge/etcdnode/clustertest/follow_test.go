package clustertest

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	facts "argosy/core/cluster" // cluster is three members here
	"argosy/edge/store"
)

// TestFollowThroughLoss has the typed store's users live through the loss of
// the member that leads: killed, and stopped while its kernel still answers.
// Nothing is missed, nobody begins again, and a lease is kept.
func TestFollowThroughLoss(t *testing.T) {
	c := start(t)
	s := c.store(c.members[:]...)
	batches := follow(t, s)
	first := <-batches
	if !first.Reset {
		t.Fatalf("first batch %+v, want a Reset", first)
	}
	lease, err := s.GrantLease(t.Context(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	losses := []struct {
		name       string
		lose, back func(m *member)
	}{
		{"killed", (*member).kill, (*member).start},
		{"stopped", func(m *member) { _ = m.process.Process.Signal(syscall.SIGSTOP) },
			func(m *member) { _ = m.process.Process.Signal(syscall.SIGCONT) }},
	}
	for n, loss := range losses {
		leader := c.await("before "+loss.name, c.members[:]...)
		begin := time.Now()
		loss.lose(leader)
		if err := s.KeepAlive(t.Context(), lease); err != nil {
			t.Errorf("keep a lease alive with the leader %s: %v", loss.name, err)
		}
		kept := time.Since(begin)
		written := putUnit(t, s, n)
		put := time.Since(begin)
		for revision := int64(0); revision < written.Revision; {
			batch := <-batches
			if revision = batch.Revision; batch.Reset {
				t.Errorf("with the leader %s the follower began again: %+v", loss.name, batch)
			}
		}
		t.Logf("leader %s: lease kept after %s, unit written after %s, follower told after %s", loss.name, kept, put, time.Since(begin))
		loss.back(leader)
	}
}

func putUnit(t *testing.T, s *store.Store, n int) facts.Unit {
	t.Helper()
	unit := facts.Unit{Hash: "ab", Desired: facts.Loaded}
	var written facts.Unit
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tries := 0
	until(t, ctx, "write a unit", func(ctx context.Context) error {
		var err error
		tries++ // one whose answer was lost may have been written
		unit.Name = facts.UnitName(fmt.Sprintf("web@%d-%d.service", n, tries))
		written, err = s.PutUnit(ctx, unit, "text")
		return err
	})
	return written
}

func follow(t *testing.T, s *store.Store) <-chan facts.Batch {
	batches := make(chan facts.Batch)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Follow(ctx, facts.Everything, func(batch facts.Batch) error {
			select {
			case batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v, want its context's end", err)
		}
	})
	return batches
}
