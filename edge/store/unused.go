package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
)

// Texts that no unit uses are collected in two steps, because no key changes
// when a unit begins to use a text that is there already. First the text is
// marked: a unit that is written with it from then on takes the mark away in
// the same transaction (see PutUnit). Then, once the leader knows of all that
// was written before the mark and still sees no user, the text and its mark end
// together, if the mark is untouched.

// collectAtOnce keeps a transaction within etcd's default limit of 128 operations.
const collectAtOnce = 100

// markKey is there while a text may be about to be collected.
func markKey(hash cluster.Hash) string { return root + "unused/" + string(hash) }

// MarkUnused marks texts, in the leader's term. It returns the revision up to
// which the leader must know everything before it collects any of them.
func (s *Store) MarkUnused(ctx context.Context, term cluster.Leader, hashes []cluster.Hash) (mark int64, err error) {
	var ops []clientv3.Op
	for _, hash := range hashes {
		ops = append(ops, clientv3.OpPut(markKey(hash), ""))
	}
	response, err := s.inTerm(ctx, term, ops)
	if err != nil {
		return 0, fmt.Errorf("mark %d texts as unused: %w", len(hashes), err)
	}
	return response.Header.Revision, nil
}

// Collect ends the texts that are still marked as MarkUnused has marked them,
// and says how many these were.
func (s *Store) Collect(ctx context.Context, term cluster.Leader, mark int64, hashes []cluster.Hash) (collected int, err error) {
	var ops []clientv3.Op
	for _, hash := range hashes {
		untouched := clientv3.Compare(clientv3.ModRevision(markKey(hash)), "=", mark)
		ops = append(ops, clientv3.OpTxn([]clientv3.Cmp{untouched},
			[]clientv3.Op{clientv3.OpDelete(contentKey(hash)), clientv3.OpDelete(markKey(hash))}, nil))
	}
	response, err := s.inTerm(ctx, term, ops)
	if err != nil {
		return 0, fmt.Errorf("collect %d texts: %w", len(hashes), err)
	}
	for _, one := range response.Responses {
		if one.GetResponseTxn().Succeeded {
			collected++
		}
	}
	return collected, nil
}

// inTerm does some operations if the leader's term is not over.
func (s *Store) inTerm(ctx context.Context, term cluster.Leader, ops []clientv3.Op) (*clientv3.TxnResponse, error) {
	if term.Revision == 0 || len(ops) > collectAtOnce {
		return nil, fmt.Errorf("term %d, %d operations: expected a term and at most %d", term.Revision, len(ops), collectAtOnce)
	}
	response, err := s.transact(ctx, []clientv3.Cmp{isLeader(term)}, ops, nil)
	if err == nil && !response.Succeeded {
		err = cluster.ErrDeposed
	}
	return response, err
}
