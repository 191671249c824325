package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"argosy/core/cluster"
)

// follower receives what a Follow delivers, for a test to take one by one.
type follower struct {
	t       *testing.T
	batches chan cluster.Batch
}

// follow starts a follower that ends with the test.
func (s *suite) follow(scope cluster.Scope) *follower {
	s.Helper()
	f := &follower{t: s.T, batches: make(chan cluster.Batch)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.store.Follow(ctx, scope, func(batch cluster.Batch) error {
			select {
			case f.batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	s.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			s.Errorf("Follow ended with %v, want its context's end", err)
		}
	})
	return f
}

// any is the next batch, also one that only confirms.
func (f *follower) any() cluster.Batch {
	f.t.Helper()
	select {
	case batch := <-f.batches:
		return batch
	case <-time.After(patience):
		f.t.Fatal("the follower was told nothing")
		return cluster.Batch{}
	}
}

// next is the next batch that tells something, or a Reset.
func (f *follower) next() cluster.Batch {
	f.t.Helper()
	for {
		if batch := f.any(); batch.Reset || len(batch.Events) > 0 {
			return batch
		}
	}
}

// until takes batches up to a revision into the picture.
func (f *follower) until(revision int64, p *picture) {
	f.t.Helper()
	for p.revision < revision {
		if err := p.learn(f.any()); err != nil {
			f.t.Fatal(err)
		}
	}
}

// picture is what a reader knows after what it was told.
type picture struct {
	revision int64
	facts    map[string]cluster.Event
}

// learn takes a batch in and complains when it is out of order.
func (p *picture) learn(batch cluster.Batch) error {
	if batch.Revision < p.revision {
		return fmt.Errorf("a batch of revision %d after one of %d", batch.Revision, p.revision)
	}
	if batch.Reset {
		p.facts = map[string]cluster.Event{}
	}
	for _, event := range batch.Events {
		name, revision, gone := identify(event)
		if !gone && !batch.Reset && revision != 0 && (revision <= p.revision || revision > batch.Revision) {
			return fmt.Errorf("%s of revision %d in a batch that leads from %d to %d", name, revision, p.revision, batch.Revision)
		}
		if gone {
			delete(p.facts, name)
		} else {
			p.facts[name] = event
		}
	}
	p.revision = batch.Revision
	return nil
}

// identify names an event's fact and says its revision, or that it is gone.
func identify(event cluster.Event) (name string, revision int64, gone bool) {
	switch e := event.(type) {
	case cluster.UnitChanged:
		return "unit " + string(e.Unit.Name), e.Unit.Revision, false
	case cluster.UnitGone:
		return "unit " + string(e.Name), 0, true
	case cluster.ContentChanged:
		return "content " + string(e.Hash), 0, false
	case cluster.ContentGone:
		return "content " + string(e.Hash), 0, true
	case cluster.MachineChanged:
		return "machine " + string(e.Machine.ID), e.Machine.Revision, false
	case cluster.MachineGone:
		return "machine " + string(e.ID), 0, true
	case cluster.LabelsChanged:
		return "labels " + string(e.Labels.Machine), e.Labels.Revision, false
	case cluster.LabelsGone:
		return "labels " + string(e.Machine), 0, true
	case cluster.PlacementChanged:
		return fmt.Sprintf("placement %s %s", e.Placement.Machine, e.Placement.Unit), e.Placement.Revision, false
	case cluster.PlacementGone:
		return fmt.Sprintf("placement %s %s", e.Machine, e.Unit), 0, true
	case cluster.StateChanged:
		return fmt.Sprintf("state %s %s", e.State.Machine, e.State.Unit), e.State.Revision, false
	case cluster.StateGone:
		return fmt.Sprintf("state %s %s", e.Machine, e.Unit), 0, true
	case cluster.UnplacedChanged:
		return "unplaced " + string(e.Unplaced.Unit), e.Unplaced.Revision, false
	case cluster.UnplacedGone:
		return "unplaced " + string(e.Unit), 0, true
	case cluster.LeaderChanged:
		return "leader", e.Leader.Revision, false
	case cluster.ProbesChanged:
		return "probes " + string(e.Probes.Machine), e.Probes.Revision, false
	case cluster.ProbesGone:
		return "probes " + string(e.Machine), 0, true
	case cluster.SuspicionChanged:
		return fmt.Sprintf("suspicion %s %s", e.Suspicion.Target, e.Suspicion.Prober), e.Suspicion.Revision, false
	case cluster.SuspicionGone:
		return fmt.Sprintf("suspicion %s %s", e.Target, e.Prober), 0, true
	case cluster.DepartedChanged:
		return "departed " + string(e.Departed.Machine), e.Departed.Revision, false
	case cluster.DepartedGone:
		return "departed " + string(e.Machine), 0, true
	default:
		return "leader", 0, true
	}
}
