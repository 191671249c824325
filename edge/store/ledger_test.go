package store

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/edge/etcdnode/etcdtest"
)

// fill writes as many entries as the audit keeps of changes, and some of the rest, in
// an order that clocks a minute apart give.
func fill(t *testing.T, s *Store, entries int) {
	t.Helper()
	const atOnce = 100
	began := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	somebody := access.Caller{Account: access.Account{Name: "otto", Role: access.Operator}, From: "10.0.0.9"}
	for n := 0; n < entries; n += atOnce {
		var ops []clientv3.Op
		for i := n; i < n+atOnce; i++ {
			at := began.Add(time.Duration(i) * time.Second).Add(time.Duration(i%3) * time.Minute)
			e := somebody.Entry([]access.Verb{access.Change, access.Change, access.Change, access.Govern}[i%4], fmt.Sprintf("set unit web@%d.service", i), "launched, text 0123456789abcdef", at)
			written, err := noting([]access.Entry{e})
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, written...)
		}
		if _, err := s.client.Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// However many entries there are, a reader holds a few pages, and who asks for the end
// has little else read. (Seen to fail: with all pages read before the first entry is
// handed over.)
func TestAuditIsReadInPages(t *testing.T) {
	const entries = 100_000
	s := open(t, Config{Endpoints: etcdtest.Start(t)})
	fill(t, s, entries)
	for what, c := range map[string]struct {
		query       access.AuditQuery
		want, pages int
	}{
		"all":      {access.AuditQuery{}, entries, entries/auditPage + 2},
		"the last": {access.AuditQuery{Last: 100}, 100, 4},
	} {
		l := ledger{store: s}
		if err := l.survey(t.Context(), c.query); err != nil {
			t.Fatal(err)
		}
		if len(l.pages) > c.pages {
			t.Errorf("%s: %d pages, want %d", what, len(l.pages), c.pages)
		}
		most, got, last := 0, 0, int64(0)
		err := l.read(t.Context(), func(e access.Entry) error {
			if most = max(most, len(l.held)); e.Revision < last {
				return fmt.Errorf("revision %d comes behind %d", e.Revision, last)
			}
			got, last = got+1, e.Revision
			return nil
		})
		if err != nil || got != c.want {
			t.Errorf("%s: %d entries, want %d: %v", what, got, c.want, err)
		}
		if most > 6*auditPage {
			t.Errorf("%s: %d entries were held at once", what, most)
		}
	}
}

// Who reads for longer than the store keeps its past is told where to go on.
func TestAuditReadTooSlowly(t *testing.T) {
	s := open(t, Config{Endpoints: etcdtest.Start(t)})
	fill(t, s, 3*auditPage)
	var last int64
	err := s.Audit(t.Context(), access.AuditQuery{}, func(e access.Entry) error {
		if last == 0 {
			now, err := s.client.Put(t.Context(), "later", "")
			if err != nil {
				return err
			}
			if _, err := s.client.Compact(t.Context(), now.Header.Revision); err != nil {
				return err
			}
		}
		last = e.Revision
		return nil
	})
	if want := fmt.Sprintf("go on behind revision %d", last); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	rest := 0
	if err := s.Audit(t.Context(), access.AuditQuery{After: last}, func(access.Entry) error { rest++; return nil }); err != nil || rest == 0 {
		t.Errorf("then %d entries, %v", rest, err)
	}
	if err := s.Audit(t.Context(), access.AuditQuery{After: math.MaxInt64 - 1}, func(access.Entry) error { rest = 0; return nil }); err != nil || rest == 0 {
		t.Errorf("behind all: %v", err)
	}
}
