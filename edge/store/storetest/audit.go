package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/signing"
)

// did is an entry of somebody.
func did(what string, verb access.Verb) access.Entry {
	alice := access.Caller{Account: access.Account{Name: "alice", Role: access.Admin}, From: "10.0.0.9"}
	return alice.Entry(verb, what, "<&>", someTime)
}

func (s *suite) audit(query access.AuditQuery) (entries []access.Entry) {
	s.Helper()
	err := s.store.Audit(s.Context(), query, func(e access.Entry) error { entries = append(entries, e); return nil })
	if err != nil {
		s.Fatal(err)
	}
	return entries
}

// ledger is what a test expects to be recorded.
type ledger struct {
	*suite
	want []access.Entry
}

// testAudit writes each thing that people write, also so that it fails: only what was
// written is recorded, at its revision.
func testAudit(s *suite) {
	l := &ledger{suite: s}
	l.ofUnits()
	l.ofPeople()
	l.ofTokens()
	l.ofSecrets()
	l.ofPolicy()
}

// recorded expects one more entry, at a revision unless that is 0.
func (l *ledger) recorded(what string, revision int64) {
	l.Helper()
	entries := l.audit(access.AuditQuery{})
	if len(entries) != len(l.want)+1 {
		l.Fatalf("%s: %d entries, want %d: %+v", what, len(entries), len(l.want)+1, entries)
	}
	last := entries[len(l.want)]
	if last.Revision == 0 || revision != 0 && last.Revision != revision {
		l.Errorf("%s is recorded at %d, written at %d", what, last.Revision, revision)
	}
	expected := did(what, last.Verb)
	if expected.Revision = last.Revision; last != expected {
		l.Errorf("recorded %+v, want %+v", last, expected)
	}
	l.want = entries
}

func (l *ledger) expect(err, expected error) {
	l.Helper()
	if !errors.Is(err, expected) {
		l.Errorf("%v, want %v", err, expected)
	}
}

var (
	lostChange = did("lost", access.Change)
	lostRule   = did("lost", access.Govern)
)

func (l *ledger) ofUnits() {
	ctx := l.Context()
	wrong := aUnit("a.service", "a")
	wrong.Revision = 99
	_, err := l.store.PutUnit(ctx, wrong, "a", lostChange)
	l.expect(err, cluster.ErrConflict)
	unit, err := l.store.PutUnit(ctx, aUnit("a.service", "a"), "a", did("set unit", access.Change))
	l.expect(err, nil)
	l.recorded("set unit", unit.Revision)
	other, err := l.store.PutUnit(ctx, aUnit("b.service", "a"), "a", did("set unit of a known text", access.Change))
	l.expect(err, nil)
	l.recorded("set unit of a known text", other.Revision)
	l.expect(l.store.DeleteUnit(ctx, unit.Name, unit.Revision+1, lostChange), cluster.ErrConflict)
	l.expect(l.store.DeleteUnit(ctx, "none.service", 0, lostChange), cluster.ErrNotFound)
	l.expect(l.store.DeleteUnit(ctx, unit.Name, unit.Revision, did("destroy unit", access.Change)), nil)
	l.recorded("destroy unit", 0)

	said := cluster.Labels{Machine: machineID(1), Set: map[string]string{"a": "b"}, Revision: 99}
	_, err = l.store.PutLabels(ctx, said, lostChange)
	l.expect(err, cluster.ErrConflict)
	said.Revision = 0
	labels, err := l.store.PutLabels(ctx, said, did("label", access.Label))
	l.expect(err, nil)
	l.recorded("label", labels.Revision)
}

func (l *ledger) ofPeople() {
	ctx := l.Context()
	_, err := l.store.PutAccount(ctx, access.Account{Name: "bob", Role: access.Viewer, Revision: 99}, lostRule)
	l.expect(err, cluster.ErrConflict)
	bob, err := l.store.PutAccount(ctx, access.Account{Name: "bob", Role: access.Viewer}, did("add person", access.Govern))
	l.expect(err, nil)
	l.recorded("add person", bob.Revision)
	l.expect(l.store.DeleteAccount(ctx, "bob", bob.Revision+1, lostRule), cluster.ErrConflict)
	l.expect(l.store.DeleteAccount(ctx, "none", 0, lostRule), cluster.ErrNotFound)
	l.expect(l.store.DeleteAccount(ctx, "bob", bob.Revision, did("remove person", access.Govern)), nil)
	l.recorded("remove person", 0)
	revoked, err := l.store.Expel(ctx, access.Subject{Person: "bob"}, "alice", someTime, did("revoke person", access.Govern))
	l.expect(err, nil)
	l.recorded("revoke person", revoked.Revision)
}

func (l *ledger) ofTokens() {
	ctx := l.Context()
	token := access.Token{ID: "a1", Hash: access.HashSecret("sesame"), Kind: access.Worker, Uses: 1, Expires: someTime.Add(time.Hour), At: someTime}
	l.expect(l.store.PutToken(ctx, token, did("make token", access.Govern)), nil)
	l.recorded("make token", 0)
	l.expect(l.store.PutToken(ctx, token, lostRule), cluster.ErrConflict)
	claim := access.Claim{ID: "a1", Secret: "open", Kind: access.Worker, Name: string(machineID(1)), At: someTime}
	_, err := l.store.Redeem(ctx, claim, lostRule)
	l.expect(err, access.ErrTokenRefused)
	claim.Secret = "sesame"
	left, err := l.store.Redeem(ctx, claim, did("join", access.Govern))
	l.expect(err, nil)
	l.recorded("join", left.Revision)
	l.expect(l.store.DeleteToken(ctx, "a1", did("end token", access.Govern)), nil)
	l.recorded("end token", 0)
	l.expect(l.store.DeleteToken(ctx, "a1", lostRule), cluster.ErrNotFound)
}

func (l *ledger) ofPolicy() {
	ctx := l.Context()
	policy, err := l.store.PutPolicy(ctx, signing.Policy{Digests: true}, did("set policy", access.Govern))
	l.expect(err, nil)
	l.recorded("set policy", policy.Revision)
	_, err = l.store.PutPolicy(ctx, signing.Policy{}, lostRule)
	l.expect(err, cluster.ErrConflict)
}

func (l *ledger) ofSecrets() {
	ctx := l.Context()
	secret, err := l.store.PutSecret(ctx, aSecret("db"), did("set secret", access.Govern))
	l.expect(err, nil)
	l.recorded("set secret", secret.Revision)
	_, err = l.store.PutSecret(ctx, aSecret("db"), lostRule)
	l.expect(err, cluster.ErrConflict)
	l.expect(l.store.DeleteSecret(ctx, "db", secret.Revision, did("remove secret", access.Govern)), nil)
	l.recorded("remove secret", 0)
}

// testAuditInOrder records more than a page of entries, in clocks that go back, and
// reads them in every way.
func testAuditInOrder(s *suite) {
	if entries := s.audit(access.AuditQuery{}); len(entries) != 0 {
		s.Errorf("at first: %+v", entries)
	}
	const many = 1200
	var want []access.Entry
	for n := range many {
		e := did(fmt.Sprint(n), []access.Verb{access.Change, access.Govern}[n/7%2])
		switch { // the order is the store's
		case n < 10:
			e.At = e.At.Add(time.Hour)
		case n%3 == 0:
			e.At = e.At.Add(-time.Duration(n) * time.Second)
		default:
			e.At = e.At.Add(time.Duration(n) * time.Millisecond)
		}
		if err := s.store.Record(s.Context(), e); err != nil {
			s.Fatal(err)
		}
		want = append(want, e)
	}
	got := s.audit(access.AuditQuery{})
	if len(got) != many {
		s.Fatalf("%d entries, want %d", len(got), many)
	}
	for i, e := range got {
		if i > 0 && e.Revision <= got[i-1].Revision {
			s.Fatalf("entry %d has revision %d, behind %d", i, e.Revision, got[i-1].Revision)
		}
		if want[i].Revision = e.Revision; e != want[i] {
			s.Fatalf("entry %d is %+v, want %+v", i, e, want[i])
		}
	}
	late := slices.DeleteFunc(slices.Clone(want), func(e access.Entry) bool { return e.At.Before(someTime) })
	for what, c := range map[string]struct {
		query access.AuditQuery
		want  []access.Entry
	}{
		"behind one":                    {access.AuditQuery{After: want[700].Revision}, want[701:]},
		"behind the last":               {access.AuditQuery{After: want[many-1].Revision}, nil},
		"the last":                      {access.AuditQuery{Last: 1}, want[many-1:]},
		"the last of some":              {access.AuditQuery{Last: 600}, want[many-600:]},
		"the last of more than all":     {access.AuditQuery{Last: 9999}, want},
		"since":                         {access.AuditQuery{Since: someTime}, late},
		"the last of those since":       {access.AuditQuery{Since: someTime, Last: 20}, late[len(late)-20:]},
		"since the end":                 {access.AuditQuery{Since: someTime.Add(2 * time.Hour)}, nil},
		"behind one, the last, since":   {access.AuditQuery{Since: someTime, After: late[50].Revision, Last: len(late)}, late[51:]},
		"behind one, and fewer of them": {access.AuditQuery{After: want[10].Revision, Last: 3}, want[many-3:]},
	} {
		if got := s.audit(c.query); !slices.Equal(got, c.want) {
			s.Errorf("%s: %d entries, want %d", what, len(got), len(c.want))
		}
	}
	enough := errors.New("enough")
	if err := s.store.Audit(s.Context(), access.AuditQuery{}, func(access.Entry) error { return enough }); !errors.Is(err, enough) {
		s.Errorf("one who has enough: %v", err)
	}
}

func testAuditTrimmed(s *suite) {
	alice := access.Caller{Account: access.Account{Name: "alice"}}
	for n := range 20 {
		at := someTime.Add(time.Duration(n) * time.Second)
		for _, e := range []access.Entry{
			alice.Entry(access.Change, fmt.Sprint(n), "", at), alice.Entry(access.Govern, fmt.Sprint(n), "", at), alice.Refusal(access.Read, fmt.Sprint(n), "no", at),
		} {
			if err := s.store.Record(s.Context(), e); err != nil {
				s.Fatal(err)
			}
		}
	}
	keeps := map[access.Shelf]int{access.Changes: 5, access.Rule: 100, access.Refusals: 19}
	for _, want := range []int64{15 + 0 + 1, 0} {
		if ended, err := s.store.TrimAudit(s.Context(), func(shelf access.Shelf) int { return keeps[shelf] }); err != nil || ended != want {
			s.Errorf("%d ended, %v, want %d", ended, err, want)
		}
	}
	left, oldest := map[access.Shelf]int{}, map[access.Shelf]string{}
	for _, e := range s.audit(access.AuditQuery{}) {
		if left[e.Shelf()]++; left[e.Shelf()] == 1 {
			oldest[e.Shelf()] = e.Did
		}
	}
	if want := (map[access.Shelf]int{access.Changes: 5, access.Rule: 20, access.Refusals: 19}); !reflect.DeepEqual(left, want) {
		s.Errorf("left are %v, want %v", left, want)
	}
	if want := (map[access.Shelf]string{access.Changes: "15", access.Rule: "0", access.Refusals: "1"}); !reflect.DeepEqual(oldest, want) {
		s.Errorf("the oldest left are %v, want %v", oldest, want)
	}
}
