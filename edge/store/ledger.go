package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
)

// auditPage is how many entries are read at once: the store's members and this
// process hold no more of them, a few pages apart.
const auditPage = 500

// Audit hands over the entries that are asked for, in the order of their revisions, as
// the audit was when it began. One that cannot be read says so: a gap would be worse.
//
// Keys are in the order of their writers' clocks, which may differ, and to have the
// store sort by revision it would hold all there are. So a first pass reads keys alone,
// and finds which pages of them hold what is asked for and from which revision on; a
// second one reads these, and holds an entry back while a page that is still to come
// may have one before it.
func (s *Store) Audit(ctx context.Context, query access.AuditQuery, deliver func(access.Entry) error) error {
	l := ledger{store: s, after: query.After}
	if err := l.survey(ctx, query); err != nil {
		return fmt.Errorf("look through the audit: %w", err)
	}
	if err := l.read(ctx, deliver); err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	return nil
}

// ledger is one reading of the audit.
type ledger struct {
	store *Store
	at    int64 // the revision that it is read at
	after int64
	pages []stretch
	held  []access.Entry // read, and not handed over yet
}

// stretch is some keys of a shelf, in order.
type stretch struct {
	from, end   string
	least, most int64 // of the revisions that are asked for
}

// survey finds the pages.
func (l *ledger) survey(ctx context.Context, query access.AuditQuery) error {
	var revisions []int64 // of all that is asked for but for how many
	for _, shelf := range access.Shelves() {
		folder := shelfFolder(shelf)
		from, end := folder, clientv3.GetPrefixRangeEnd(folder)
		if !query.Since.IsZero() {
			from = fmt.Sprintf("%s%020d", folder, max(0, query.Since.UnixNano()))
		}
		for more := true; more; {
			got, err := l.get(ctx, from, end, clientv3.WithKeysOnly(), clientv3.WithLimit(auditPage))
			if err != nil {
				return err
			}
			if more = got.More; len(got.Kvs) == 0 {
				break
			}
			page := stretch{from: from, end: string(got.Kvs[len(got.Kvs)-1].Key) + "\x00", least: math.MaxInt64}
			for _, kv := range got.Kvs {
				if kv.CreateRevision > query.After {
					page.least, page.most = min(page.least, kv.CreateRevision), max(page.most, kv.CreateRevision)
					revisions = append(revisions, kv.CreateRevision)
				}
			}
			l.pages = append(l.pages, page)
			from = page.end
		}
	}
	if query.Last > 0 && len(revisions) > query.Last {
		slices.Sort(revisions)
		l.after = revisions[len(revisions)-query.Last-1]
	}
	l.pages = slices.DeleteFunc(l.pages, func(page stretch) bool { return page.most <= l.after })
	slices.SortFunc(l.pages, func(a, b stretch) int { return cmp.Compare(a.least, b.least) })
	return nil
}

// get reads some keys as they were at the first of them.
func (l *ledger) get(ctx context.Context, from, end string, options ...clientv3.OpOption) (got *clientv3.GetResponse, err error) {
	options = append(options, clientv3.WithRange(end), clientv3.WithRev(l.at))
	err = l.store.repeat(ctx, func(ctx context.Context) (err error) {
		got, err = l.store.client.Get(ctx, from, options...)
		return err
	})
	if err == nil && l.at == 0 {
		l.at = got.Header.Revision
	}
	return got, err
}

// read hands the entries over.
func (l *ledger) read(ctx context.Context, deliver func(access.Entry) error) error {
	last := l.after
	for i, page := range l.pages {
		got, err := l.get(ctx, page.from, page.end)
		if errors.Is(err, rpctypes.ErrCompacted) {
			return fmt.Errorf("it was read for longer than the store keeps its past: go on behind revision %d", last)
		}
		if err != nil {
			return err
		}
		for _, kv := range got.Kvs {
			if kv.CreateRevision > l.after {
				l.held = append(l.held, entryOf(kv))
			}
		}
		comes := int64(math.MaxInt64) // the least revision that is still to be read
		if i+1 < len(l.pages) {
			comes = l.pages[i+1].least
		}
		slices.SortFunc(l.held, func(a, b access.Entry) int { return cmp.Compare(a.Revision, b.Revision) })
		ready, _ := slices.BinarySearchFunc(l.held, comes, func(e access.Entry, revision int64) int { return cmp.Compare(e.Revision, revision) })
		for _, e := range l.held[:ready] {
			if err := deliver(e); err != nil {
				return err
			}
			last = e.Revision
		}
		l.held = slices.Delete(l.held, 0, ready)
	}
	return nil
}

func entryOf(kv *keyValue) access.Entry {
	e := access.Entry{}
	if err := decode(kv, &e); err != nil {
		e = access.Entry{Did: "this entry cannot be read", Note: err.Error()}
	}
	e.Revision = kv.CreateRevision
	return e
}
