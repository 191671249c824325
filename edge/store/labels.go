package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
)

// PutLabels writes what operators say of a machine where that still has
// l.Revision (0: nothing is said of it), else cluster.ErrConflict; an empty Set
// ends it. It returns the labels with their new revision. The machine need not
// be there, nor ever have been.
func (s *Store) PutLabels(ctx context.Context, l cluster.Labels, done ...access.Entry) (cluster.Labels, error) {
	revision, err := s.putLabels(ctx, l, done)
	if err != nil {
		return cluster.Labels{}, fmt.Errorf("write the labels of machine %q: %w", l.Machine, err)
	}
	l.Revision = revision
	return l, nil
}

func (s *Store) putLabels(ctx context.Context, l cluster.Labels, done []access.Entry) (int64, error) {
	if err := checkNames(l.Machine); err != nil {
		return 0, err
	}
	value, err := encode(l)
	if err != nil {
		return 0, err
	}
	notes, err := noting(done)
	if err != nil {
		return 0, err
	}
	key := labelsKey(l.Machine)
	write := clientv3.OpPut(key, string(value))
	if len(l.Set) == 0 {
		write = clientv3.OpDelete(key)
	}
	response, err := s.transact(ctx,
		[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", l.Revision)}, append(notes, write), nil)
	if err != nil {
		return 0, err
	}
	if !response.Succeeded {
		return 0, cluster.ErrConflict
	}
	return response.Header.Revision, nil
}

// Labels returns what operators say of a machine, or cluster.ErrNotFound.
func (s *Store) Labels(ctx context.Context, id cluster.MachineID) (cluster.Labels, error) {
	l := cluster.Labels{Machine: id}
	kv, err := s.get(ctx, labelsKey(id))
	switch {
	case err != nil:
	case kv == nil:
		err = cluster.ErrNotFound
	default:
		l.Revision = kv.ModRevision
		err = decode(kv, &l)
	}
	if err != nil {
		return cluster.Labels{}, fmt.Errorf("read the labels of machine %q: %w", id, err)
	}
	return l, nil
}
