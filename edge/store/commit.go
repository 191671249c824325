package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

const (
	// maxOps is etcd's default --max-txn-ops.
	maxOps = 128
	// maxChanges is how many changes go in one transaction. etcd allows a nested
	// transaction what the outer one leaves of maxOps, and one change needs up to
	// three operations.
	maxChanges = maxOps - 3
	// maxBytes keeps a transaction of long reasons below etcd's limit of 1.5 MiB
	// a request.
	maxBytes = 512 << 10
	// inFlight is how many transactions of one Commit are under way at a time,
	// so that the store's disk and network do not wait for each other.
	inFlight = 4
)

// Commit writes the leader's decisions in transactions of up to 125 changes,
// several under way at a time. Each transaction compares the leader's term, and
// in it each change, as a transaction of its own, what it was decided from. So
// one round trip and one revision settle them all, each by its own guards.
//
// It returns what the written changes make known, with their revisions, also
// where there is an error: cluster.ErrDeposed once the term has ended (law 3);
// cluster.ErrUnavailable when the outcome of some is unknown, and they may be
// written even later, until the term ends; else cluster.ErrConflict when some
// were left out because their guards did not hold.
//
// A Commit takes one change of a unit; a second one is left out as a conflict.
func (s *Store) Commit(ctx context.Context, term cluster.Leader, changes []schedule.Change) ([]cluster.Event, error) {
	if term.Revision == 0 { // it would compare equal where nobody leads
		return nil, fmt.Errorf("commit without a term: %w", cluster.ErrDeposed)
	}
	batches, twice, err := inBatches(changes)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	outcomes := s.commitAll(ctx, term, batches)
	var events []cluster.Event
	left := twice
	for _, done := range outcomes {
		events = append(events, done.events...)
		left = append(left, done.left...)
		if err == nil || errors.Is(done.err, cluster.ErrDeposed) {
			err = done.err
		}
	}
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%d left out, %s the first: %w", len(left), left[0], cluster.ErrConflict)
	}
	if err != nil {
		return events, fmt.Errorf("commit %d changes: %w", len(changes), err)
	}
	return events, nil
}

// inBatches says the changes in etcd's words, in batches of one transaction
// each, and names the units that are spoken of a second time.
func inBatches(changes []schedule.Change) (batches [][]write, twice []cluster.UnitName, err error) {
	seen := make(map[cluster.UnitName]bool, len(changes))
	var batch []write
	bytes := 0
	for _, change := range changes {
		w, err := asWrite(change)
		if err != nil {
			return nil, nil, err
		}
		if seen[w.unit] {
			twice = append(twice, w.unit)
			continue
		}
		seen[w.unit] = true
		if len(batch) == maxChanges || len(batch) > 0 && bytes+w.bytes > maxBytes {
			batches, batch, bytes = append(batches, batch), nil, 0
		}
		batch = append(batch, w)
		bytes += w.bytes
	}
	if len(batch) > 0 {
		batches = append(batches, batch)
	}
	return batches, twice, nil
}

// outcome is what became of one transaction.
type outcome struct {
	events []cluster.Event
	left   []cluster.UnitName // whose guards did not hold
	err    error
}

// commitAll commits the batches, a few at a time, and begins no more after the
// first error.
func (s *Store) commitAll(ctx context.Context, term cluster.Leader, batches [][]write) []outcome {
	outcomes := make([]outcome, len(batches))
	next := make(chan int)
	stop := make(chan struct{})
	var stopOnce sync.Once
	var workers sync.WaitGroup
	for range min(inFlight, len(batches)) {
		workers.Go(func() {
			for i := range next {
				outcomes[i] = s.commitOne(ctx, term, batches[i])
				if outcomes[i].err != nil {
					stopOnce.Do(func() { close(stop) })
				}
			}
		})
	}
feed:
	for i := range batches {
		select {
		case <-stop:
			break feed
		default:
		}
		select {
		case next <- i:
		case <-stop:
			break feed
		}
	}
	close(next)
	workers.Wait()
	return outcomes
}

// commitOne commits one batch, in one try: a second one could land after the
// leader has decided otherwise, while a first that is late fails with its term.
func (s *Store) commitOne(ctx context.Context, term cluster.Leader, batch []write) outcome {
	ops := make([]clientv3.Op, len(batch))
	for i, w := range batch {
		ops[i] = clientv3.OpTxn(w.guards, w.ops, nil)
	}
	response, err := s.transact(ctx, []clientv3.Cmp{isLeader(term)}, ops, nil)
	if err != nil {
		return outcome{err: err}
	}
	if !response.Succeeded {
		return outcome{err: cluster.ErrDeposed}
	}
	var done outcome
	for i, w := range batch {
		if response.Responses[i].GetResponseTxn().Succeeded {
			done.events = append(done.events, w.events(response.Header.Revision)...)
		} else {
			done.left = append(done.left, w.unit)
		}
	}
	return done
}
