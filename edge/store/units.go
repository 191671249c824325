package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
)

// Unit returns one unit as it is stored, or cluster.ErrNotFound; either was so at
// the store's revision asOf.
func (s *Store) Unit(ctx context.Context, name cluster.UnitName) (u cluster.Unit, asOf int64, err error) {
	var response *clientv3.GetResponse
	err = s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Get(ctx, unitKey(name))
		return err
	})
	switch {
	case err != nil:
	case len(response.Kvs) == 0:
		asOf, err = response.Header.Revision, cluster.ErrNotFound
	default:
		asOf, u = response.Header.Revision, cluster.Unit{Name: name, Revision: response.Kvs[0].ModRevision}
		err = decode(response.Kvs[0], &u)
	}
	if err != nil {
		return cluster.Unit{}, asOf, fmt.Errorf("read unit %q: %w", name, err)
	}
	return u, asOf, nil
}

// Content returns the unit text that hash stands for, or cluster.ErrNotFound.
func (s *Store) Content(ctx context.Context, hash cluster.Hash) (string, error) {
	kv, err := s.get(ctx, contentKey(hash))
	if err == nil && kv == nil {
		err = cluster.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("read the text %s: %w", hash, err)
	}
	return string(kv.Value), nil
}

// PutUnit writes a unit and its text in one transaction, where the unit still
// has unit.Revision (0: there is none), else cluster.ErrConflict. It refuses a
// text whose hash already stands for another one. It returns the unit with its
// new revision. done is who did so, for the audit, in the same transaction; so it is
// with all that people write.
func (s *Store) PutUnit(ctx context.Context, unit cluster.Unit, text string, done ...access.Entry) (cluster.Unit, error) {
	revision, err := s.putUnit(ctx, unit, text, done)
	if err != nil {
		return cluster.Unit{}, fmt.Errorf("write unit %q: %w", unit.Name, err)
	}
	unit.Revision = revision
	return unit, nil
}

func (s *Store) putUnit(ctx context.Context, unit cluster.Unit, text string, done []access.Entry) (int64, error) {
	if err := checkUnit(unit); err != nil {
		return 0, err
	}
	value, err := encode(unit)
	if err != nil {
		return 0, err
	}
	notes, err := noting(done)
	if err != nil {
		return 0, err
	}
	var (
		key, content, mark = unitKey(unit.Name), contentKey(unit.Hash), markKey(unit.Hash)

		unchanged = clientv3.Compare(clientv3.ModRevision(key), "=", unit.Revision)
		sameText  = clientv3.Compare(clientv3.Value(content), "=", text) // false where there is none
		noText    = clientv3.Compare(clientv3.CreateRevision(content), "=", 0)
		unmarked  = clientv3.Compare(clientv3.CreateRevision(mark), "=", 0)
		putUnit   = clientv3.OpPut(key, string(value))
		putText   = clientv3.OpPut(content, text)
		unmark    = clientv3.OpDelete(mark)
		look      = clientv3.OpGet(key, clientv3.WithKeysOnly())

		with = func(ops ...clientv3.Op) []clientv3.Op { return append(ops, notes...) }
	)
	// In one round trip: the text is there already, as for each further
	// instance of a template, or else it is new, or else it was about to be
	// collected, or else see what is wrong.
	response, err := s.transact(ctx,
		[]clientv3.Cmp{unchanged, sameText, unmarked}, with(putUnit),
		[]clientv3.Op{clientv3.OpTxn(
			[]clientv3.Cmp{unchanged, noText}, with(putText, unmark, putUnit),
			[]clientv3.Op{clientv3.OpTxn(
				[]clientv3.Cmp{unchanged, sameText}, with(unmark, putUnit),
				[]clientv3.Op{look})})})
	if err != nil {
		return 0, err
	}
	if response.Succeeded {
		return response.Header.Revision, nil
	}
	inner := response.Responses[0].GetResponseTxn()
	if inner.Succeeded {
		return response.Header.Revision, nil
	}
	inner = inner.Responses[0].GetResponseTxn()
	if inner.Succeeded {
		return response.Header.Revision, nil
	}
	var found int64
	if kvs := inner.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		found = kvs[0].ModRevision
	}
	if found != unit.Revision {
		return 0, cluster.ErrConflict
	}
	return 0, fmt.Errorf("another text already has the hash %s", unit.Hash)
}

func checkUnit(unit cluster.Unit) error {
	if _, err := cluster.ParseUnitName(string(unit.Name)); err != nil {
		return err
	}
	if _, err := cluster.ParseHash(string(unit.Hash)); err != nil {
		return err
	}
	if !unit.Desired.Valid() {
		return fmt.Errorf("%q is no desired state", unit.Desired)
	}
	return nil
}

// DeleteUnit ends a unit that still has the given revision. It returns
// cluster.ErrNotFound where there is none, cluster.ErrConflict where it has
// another.
func (s *Store) DeleteUnit(ctx context.Context, name cluster.UnitName, revision int64, done ...access.Entry) error {
	if err := s.deleteGuarded(ctx, unitKey(name), revision, done); err != nil {
		return fmt.Errorf("delete unit %q: %w", name, err)
	}
	return nil
}
