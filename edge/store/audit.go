package store

import (
	"context"
	"crypto/rand"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
)

// The audit lies beside root: whoever follows the cluster's facts reads all of root
// when it begins, and has no use for what was done last year.
const auditRoot = "/argosy/audit/v1/"

func shelfFolder(shelf access.Shelf) string { return auditRoot + string(shelf) + "/" }

// auditKey is a new key each time. The oldest of a shelf come first.
func auditKey(e access.Entry) string {
	return fmt.Sprintf("%s%020d-%s", shelfFolder(e.Shelf()), max(0, e.At.UnixNano()), rand.Text())
}

// noting is what a transaction writes of what it does: one entry, or none where
// nobody in particular asked.
func noting(done []access.Entry) ([]clientv3.Op, error) {
	ops := make([]clientv3.Op, 0, len(done))
	for _, e := range done {
		e.Revision = 0 // it is the transaction's
		value, err := encode(e)
		if err != nil {
			return nil, err
		}
		ops = append(ops, clientv3.OpPut(auditKey(e), string(value)))
	}
	return ops, nil
}

// Record adds an entry of what is written nowhere else, such as a refusal.
func (s *Store) Record(ctx context.Context, e access.Entry) error {
	ops, err := noting([]access.Entry{e})
	if err == nil {
		_, err = s.transact(ctx, nil, ops, nil)
	}
	if err != nil {
		return fmt.Errorf("record what %s did: %w", e.By, err)
	}
	return nil
}

// trimmedAtOnce bounds how many entries one transaction ends.
const trimmedAtOnce = 5000

// TrimAudit ends the oldest entries of each shelf that has more than it is to keep,
// and says how many.
func (s *Store) TrimAudit(ctx context.Context, keeps func(access.Shelf) int) (ended int64, err error) {
	for _, shelf := range access.Shelves() {
		n, err := s.trimShelf(ctx, shelf, int64(keeps(shelf)))
		if ended += n; err != nil {
			return ended, fmt.Errorf("end the oldest entries of the audit's %s: %w", shelf, err)
		}
	}
	return ended, nil
}

func (s *Store) trimShelf(ctx context.Context, shelf access.Shelf, keeps int64) (ended int64, err error) {
	folder := shelfFolder(shelf)
	for {
		var all, oldest *clientv3.GetResponse
		err = s.repeat(ctx, func(ctx context.Context) (err error) {
			all, err = s.client.Get(ctx, folder, clientv3.WithPrefix(), clientv3.WithCountOnly())
			return err
		})
		if err != nil || all.Count <= keeps {
			return ended, err
		}
		err = s.repeat(ctx, func(ctx context.Context) (err error) {
			oldest, err = s.client.Get(ctx, folder, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(min(trimmedAtOnce, all.Count-keeps)))
			return err
		})
		if err != nil || len(oldest.Kvs) == 0 {
			return ended, err
		}
		last := string(oldest.Kvs[len(oldest.Kvs)-1].Key)
		response, err := s.transact(ctx, nil, []clientv3.Op{clientv3.OpDelete(folder, clientv3.WithRange(last+"\x00"))}, nil)
		if err != nil {
			return ended, err
		}
		ended += response.Responses[0].GetResponseDeleteRange().Deleted
	}
}
