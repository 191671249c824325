package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
)

// Leader returns who leads, or cluster.ErrNotFound.
func (s *Store) Leader(ctx context.Context) (cluster.Leader, error) {
	var l cluster.Leader
	kv, err := s.get(ctx, leaderKey)
	switch {
	case err != nil:
	case kv == nil:
		err = cluster.ErrNotFound
	default:
		l.Revision = kv.ModRevision
		err = decode(kv, &l)
	}
	if err != nil {
		return cluster.Leader{}, fmt.Errorf("read the leader: %w", err)
	}
	return l, nil
}

// TakeLead makes l the leader where the leader's record still has l.Revision
// (0: there is none), else cluster.ErrConflict. It returns l with its term: the
// revision that each of its Commits compares.
func (s *Store) TakeLead(ctx context.Context, l cluster.Leader) (cluster.Leader, error) {
	value, err := encode(l)
	if err != nil {
		return cluster.Leader{}, fmt.Errorf("take the lead: %w", err)
	}
	response, err := s.transact(ctx,
		[]clientv3.Cmp{isLeader(l)}, []clientv3.Op{clientv3.OpPut(leaderKey, string(value))}, nil)
	if err == nil && !response.Succeeded {
		err = cluster.ErrConflict
	}
	if err != nil {
		return cluster.Leader{}, fmt.Errorf("take the lead: %w", err)
	}
	l.Revision = response.Header.Revision
	return l, nil
}

// Resign ends l's term, so that a standby takes the lead at once. It returns
// cluster.ErrDeposed where the term had ended already.
func (s *Store) Resign(ctx context.Context, l cluster.Leader) error {
	response, err := s.transact(ctx,
		[]clientv3.Cmp{isLeader(l), clientv3.Compare(clientv3.CreateRevision(leaderKey), ">", 0)},
		[]clientv3.Op{clientv3.OpDelete(leaderKey)}, nil)
	if err == nil && !response.Succeeded {
		err = cluster.ErrDeposed
	}
	if err != nil {
		return fmt.Errorf("resign the lead: %w", err)
	}
	return nil
}

// isLeader compares l's term with the leader's record (law 3).
func isLeader(l cluster.Leader) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(leaderKey), "=", l.Revision)
}
