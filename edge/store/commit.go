package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

const (
	// chunk is how many changes one transaction is made of: enough to share the
	// cost of a disk's and a network's round trip, few enough to take only
	// milliseconds of the store's time.
	chunk = 480
	// inFlight is how many transactions of one Commit are under way at a time,
	// so that the store's disk, network and processor need not wait for each other.
	inFlight = 8
)

// Commit writes the leader's decisions, some hundreds in a transaction, several
// transactions at a time, in the order of their machines, so that an agent is
// told of its own at once. Each transaction compares the leader's term (law 3)
// and what each change in it was decided from; a change whose guards do not
// hold is left out and the others go on.
//
// It returns what the written changes make known, with their revisions, also
// where there is an error: cluster.ErrDeposed once the term has ended;
// cluster.ErrUnavailable when the outcome of some is unknown, and they may be
// written even later, until the term ends; else cluster.ErrConflict when some
// were left out. After the first two not all may have been tried.
//
// A Commit takes one word on a fact; a change that speaks of one a second time
// is left out as a conflict.
func (s *Store) Commit(ctx context.Context, term cluster.Leader, changes []schedule.Change) ([]cluster.Event, error) {
	if term.Revision == 0 { // it would compare equal where nobody leads
		return nil, fmt.Errorf("commit without a term: %w", cluster.ErrDeposed)
	}
	once, left := byMachine(changes)
	chunks := slices.Collect(slices.Chunk(once, chunk))
	outcomes := make([]outcome, len(chunks))
	var next atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range min(inFlight, len(chunks)) {
		workers.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					return
				}
				outcomes[i] = s.commitChunk(ctx, term, chunks[i])
				if outcomes[i].err != nil {
					failed.Store(true)
				}
			}
		})
	}
	workers.Wait()
	events, err := sum(outcomes, left)
	if err != nil {
		return events, fmt.Errorf("commit %d changes: %w", len(changes), err)
	}
	return events, nil
}

// byMachine orders changes by machine and takes out those that speak of a fact
// a second time: etcd takes one word on a key in a transaction.
func byMachine(changes []schedule.Change) (once []schedule.Change, twice []cluster.UnitName) {
	said := make(map[spot]bool, len(changes))
	once = make([]schedule.Change, 0, len(changes))
	for _, change := range changes {
		spots := touched(change)
		if slices.ContainsFunc(spots, func(s spot) bool { return said[s] }) {
			_, unit := subject(change)
			twice = append(twice, unit)
			continue
		}
		for _, s := range spots {
			said[s] = true
		}
		once = append(once, change)
	}
	slices.SortStableFunc(once, func(a, b schedule.Change) int {
		first, _ := subject(a)
		second, _ := subject(b)
		return strings.Compare(string(first), string(second))
	})
	return once, twice
}

// outcome is what became of some changes.
type outcome struct {
	events []cluster.Event
	left   []cluster.UnitName // whose guards did not hold
	err    error
}

// sum adds outcomes up. That the term has ended is the weightiest error.
func sum(outcomes []outcome, left []cluster.UnitName) ([]cluster.Event, error) {
	events := make([]cluster.Event, 0, chunk*len(outcomes))
	var err error
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
	return events, err
}

// commitChunk commits changes in groups, and once more, each for itself, those
// of the groups whose guards did not all hold.
func (s *Store) commitChunk(ctx context.Context, term cluster.Leader, changes []schedule.Change) outcome {
	writes := make([]write, len(changes))
	for i, change := range changes {
		var err error
		if writes[i], err = asWrite(change); err != nil {
			return outcome{err: err}
		}
	}
	done := outcome{events: make([]cluster.Event, 0, len(changes))}
	fallen := s.commitGroups(ctx, term, together(writes), &done)
	if done.err == nil && len(fallen) > 0 {
		fallen = s.commitGroups(ctx, term, apart(fallen), &done)
	}
	for _, w := range fallen {
		done.left = append(done.left, w.unit)
	}
	return done
}

// commitGroups adds what becomes of the groups to done, and returns the writes
// of those whose guards did not all hold.
func (s *Store) commitGroups(ctx context.Context, term cluster.Leader, groups []*group, done *outcome) (fallen []write) {
	for len(groups) > 0 {
		var these []*group
		these, groups = fitting(groups)
		request := &pb.TxnRequest{Compare: []*pb.Compare{hasRevision(leaderKey, term.Revision)}}
		for _, g := range these {
			request.Success = append(request.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: g.nested}})
		}
		response, err := s.send(ctx, request)
		if err == nil && !response.Succeeded {
			err = cluster.ErrDeposed
		}
		if err != nil {
			done.err = err
			return fallen
		}
		for i, g := range these {
			if !response.Responses[i].GetResponseTxn().Succeeded {
				fallen = append(fallen, g.writes...)
				continue
			}
			for _, w := range g.writes {
				done.events = schedule.MadeKnown(done.events, w.change, response.Header.Revision)
			}
		}
	}
	return fallen
}

// send gives a transaction one try: a second one could land after the leader
// has decided otherwise, while a first that comes late fails with its term.
func (s *Store) send(ctx context.Context, request *pb.TxnRequest) (*pb.TxnResponse, error) {
	var response *pb.TxnResponse
	err := s.once(ctx, func(ctx context.Context) (err error) {
		response, err = s.kv.Txn(ctx, request, grpc.WaitForReady(true))
		return err
	})
	return response, err
}
