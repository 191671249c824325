package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/memstore"
)

func newPeople() (People, *memstore.Store) {
	s := memstore.New()
	return People{Store: s, Tokens: s, Door: func() (string, string, error) { return "10.0.0.1:49154", "sha256:ab", nil }}, s
}

// recorded is the audit as lines.
func recorded(t *testing.T, s *memstore.Store) (lines []string) {
	t.Helper()
	for _, e := range entries(t, s) {
		lines = append(lines, strings.TrimSuffix(e.By+" "+string(e.Outcome)+": "+e.Did+"; "+e.Note, "; "))
	}
	return lines
}

func entries(t *testing.T, s *memstore.Store) (all []access.Entry) {
	t.Helper()
	if err := s.Audit(t.Context(), access.AuditQuery{}, func(e access.Entry) error { all = append(all, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLifeOfAPerson(t *testing.T) {
	p, s := newPeople()
	ctx, root := t.Context(), called("root")
	written, err := p.SetPerson(ctx, root, "otto", api.PersonChange{Role: access.Operator, Units: []string{"web*"}, New: true})
	if err != nil || !written.Changed || written.Generation != 0 {
		t.Fatalf("%+v, %v", written, err)
	}
	invitation, err := p.Invite(ctx, root, "otto", api.InvitationRequest{})
	if err != nil || invitation.Member != "10.0.0.1:49154" || time.Until(invitation.Expires) > time.Hour {
		t.Fatalf("%+v, %v", invitation, err)
	}
	if line := invitation.Line(); line != "fleetctl login otto@10.0.0.1:49154 --token "+invitation.Token+" --ca-hash sha256:ab" {
		t.Error(line)
	}
	id, secret, err := access.ParseSecret(invitation.Token)
	if err != nil {
		t.Fatal(err)
	}
	claim := access.Claim{ID: id, Secret: secret, Kind: access.Person, Name: "eve", At: time.Now()}
	if _, err := s.Redeem(ctx, claim); !errors.Is(err, access.ErrTokenRefused) {
		t.Errorf("somebody else uses it: %v", err)
	}
	claim.Name = "otto"
	for _, want := range []error{nil, access.ErrTokenRefused} {
		if _, err := s.Redeem(ctx, claim); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	for _, want := range []bool{true, false} {
		written, err = p.SetPerson(ctx, root, "otto", api.PersonChange{Role: access.Viewer})
		if err != nil || written.Changed != want {
			t.Errorf("%+v, %v, want changed %v", written, err, want)
		}
	}
	if _, err := p.Invite(ctx, root, "otto", api.InvitationRequest{Seconds: 60}); err != nil {
		t.Error(err)
	}
	if written, err = p.RevokePerson(ctx, root, "otto"); err != nil || written.Generation != 1 {
		t.Errorf("%+v, %v", written, err)
	}
	if tokens, err := s.Tokens(ctx); err != nil || len(tokens) != 0 {
		t.Errorf("tokens of one who is revoked: %+v, %v", tokens, err)
	}
	if all, err := p.People(ctx); err != nil || len(all.People) != 1 || all.People[0].Role != access.Viewer || all.People[0].Revoked.IsZero() || all.People[0].By != "root" {
		t.Errorf("%+v, %v", all, err)
	}
	if written, err = p.RemovePerson(ctx, root, "otto"); err != nil || written.Generation != 2 {
		t.Errorf("%+v, %v", written, err)
	}
	// One who is called so later is not taken for him.
	if written, err = p.SetPerson(ctx, root, "otto", api.PersonChange{Role: access.Admin, New: true}); err != nil || written.Generation != 2 {
		t.Errorf("%+v, %v", written, err)
	}
	var did []string
	for _, line := range recorded(t, s) {
		before, _, _ := strings.Cut(line, "; token ")
		if !strings.Contains(line, "end token") {
			did = append(did, before)
		}
	}
	want := []string{
		"root done: set person otto; operator of units called web*", "root done: invite person otto", "root done: set person otto; viewer",
		"root done: invite person otto", "root done: revoke person otto", "root done: revoke person otto",
		"root done: remove person otto; viewer", "root done: set person otto; admin",
	}
	if !slices.Equal(did, want) {
		t.Errorf("recorded:\n%s\nwant:\n%s", strings.Join(did, "\n"), strings.Join(want, "\n"))
	}
}

func TestPeopleRefuse(t *testing.T) {
	p, s := newPeople()
	ctx, root := t.Context(), called("root")
	if _, err := p.SetPerson(ctx, root, "otto", api.PersonChange{Role: access.Operator, Units: []string{"web*", "db*"}, New: true}); err != nil {
		t.Fatal(err)
	}
	set := func(name string, change api.PersonChange) error {
		_, err := p.SetPerson(ctx, root, name, change)
		return err
	}
	invite := func(name string, seconds int64) error {
		_, err := p.Invite(ctx, root, name, api.InvitationRequest{Seconds: seconds})
		return err
	}
	_, revoke := p.RevokePerson(ctx, root, "eve")
	_, remove := p.RemovePerson(ctx, root, "eve")
	_, removeNobody := p.RemovePerson(ctx, root, "E v e")
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{set("otto", api.PersonChange{Role: access.Viewer, New: true}), 409, "otto is there already: operator of units called web*, db*"},
		{set("eve", api.PersonChange{Role: access.Viewer}), 404, "there is nobody called eve"},
		{set("Eve", api.PersonChange{Role: access.Viewer}), 400, `"Eve" is no person's name`},
		{set("eve", api.PersonChange{Role: "root"}), 400, `"root" is no role: expected admin, operator or viewer`},
		{set("eve", api.PersonChange{Role: access.Viewer, Units: []string{"web*"}}), 400, "patterns of units are for operators"},
		{set("eve", api.PersonChange{Role: access.Operator, Units: []string{"[web", ""}}), 400, `"[web" is no pattern of units`},
		{invite("eve", 0), 404, "there is nobody called eve"},
		{invite("otto", -1), 400, "seconds is -1"},
		{invite("otto", 31*24*3600), 400, "seconds is 2678400"},
		{revoke, 404, "there is nobody called eve"},
		{remove, 404, "there is nobody called eve"},
		{removeNobody, 400, `"E v e" is no person's name`},
	} {
		if e := api.AsError(c.err); e.Code != c.code || !strings.Contains(e.Message, c.says) || strings.Contains(e.Message, "\n") {
			t.Errorf("%d %q, want %d %q", e.Code, e.Message, c.code, c.says)
		}
	}
	if lines := recorded(t, s); len(lines) != 1 {
		t.Errorf("recorded is %q", lines)
	}
	p.Door = func() (string, string, error) { return "", "", errors.New("this member lets nobody join") }
	if err := invite("otto", 0); err == nil || err.Error() != "invite otto: this member lets nobody join" {
		t.Error(err)
	}
}

// audited runs a test beside an audit, in a bubble of time.
func audited(t *testing.T, test func(context.Context, *memstore.Store, *Audit)) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		a := NewAudit(s, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		test(ctx, s, a)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAuditOfRefusals(t *testing.T) {
	audited(t, func(ctx context.Context, s *memstore.Store, a *Audit) {
		for range 100 {
			a.Refused(called("eve"), access.Change, "PUT /x", "no")
		}
		a.Refused(called("otto"), access.Read, "GET /x", "no")
		synctest.Wait()
		if lines := recorded(t, s); len(lines) != 11 || lines[10] != "otto refused: GET /x" {
			t.Errorf("%d: %q", len(lines), lines)
		}
		time.Sleep(10 * time.Second)
		a.Refused(called("eve"), access.Change, "PUT /y", "no")
		synctest.Wait()
		var last access.Entry
		if err := a.Entries(ctx, access.AuditQuery{Last: 1}, func(e access.Entry) error { last = e; return nil }); err != nil || last.Did != "PUT /y" || last.Unrecorded != 90 || last.Why != "no" {
			t.Errorf("%+v, %v", last, err)
		}
		// What a machine is asked is recorded before it is asked, or it is not asked.
		if err := a.Asked(ctx, called("otto"), "web.service", "restart unit"); err != nil || !slices.Contains(recorded(t, s), "otto asked: restart unit web.service") {
			t.Errorf("%v: %q", err, recorded(t, s))
		}
		s.SetAway(true)
		if err := a.Asked(ctx, called("otto"), "web.service", "restart unit"); !errors.Is(err, cluster.ErrUnavailable) {
			t.Error(err)
		}
		a.Refused(called("vera"), access.Read, "GET /x", "no") // is lost, and nobody waits for it
		synctest.Wait()
		s.SetAway(false)
		for range access.Refusals.Keeps() {
			if err := s.Record(ctx, called("eve").Refusal(access.Read, "GET /z", "no", time.Now())); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(trimEvery)
		synctest.Wait()
		left := entries(t, s)
		if len(left) != access.Refusals.Keeps()+1 || left[0].Outcome != access.Asked {
			t.Errorf("%d entries are left, want %d refusals and what a machine was asked", len(left), access.Refusals.Keeps())
		}
	})
}

// Who is refused certificates from many addresses fills no more than its own shelf, and
// keeps nobody's refusal or conflict from being recorded.
func TestAuditOfStrangers(t *testing.T) {
	audited(t, func(ctx context.Context, s *memstore.Store, a *Audit) {
		for n := range 5000 {
			a.NotLetIn(fmt.Sprint("10.0.", n%200, ".1"), "join as worker x with token y", "it is not known here")
			synctest.Wait()
		}
		a.Conflicted(called("otto"), access.Change, "PUT /x", "somebody was faster")
		synctest.Wait()
		on := map[access.Shelf]int{}
		for _, e := range entries(t, s) {
			on[e.Shelf()]++
		}
		if on[access.Strangers] != 100 || on[access.Refusals] != 1 {
			t.Errorf("recorded are %v", on)
		}
		first, last := entries(t, s)[0], entries(t, s)[100]
		if first.By != "somebody" || first.From != "10.0.0.1" || first.Outcome != access.Barred || first.Why != "it is not known here" ||
			last.Outcome != access.Lost || last.By != "otto" || last.Did != "PUT /x" {
			t.Errorf("%+v, %+v", first, last)
		}
	})
}

// TestWritesAreRecorded with what was written: units, labels and their end.
func TestWritesAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		r := New(s, slog.New(slog.DiscardHandler))
		text := "[Service]\nExecStart=/bin/true\n"
		by := access.Caller{Account: access.Account{Name: "otto", Role: access.Operator}, From: "10.0.0.9", Via: string(machine)}
		for range 2 { // the second changes nothing
			if _, err := r.SetUnit(t.Context(), by, "web.service", api.UnitChange{Text: &text, Desired: cluster.Launched}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Destroy(t.Context(), by, "web.service"); err != nil {
			t.Fatal(err)
		}
		all := entries(t, s)
		if len(all) != 2 {
			t.Fatalf("%+v", all)
		}
		e := all[0]
		if e.By != "otto" || e.Role != access.Operator || e.From != "10.0.0.9" || e.Via != string(machine) || e.Verb != access.Change ||
			e.Did != "set unit web.service" || !strings.HasPrefix(e.Note, "launched, text ") || all[1].Did != "destroy unit web.service" {
			t.Errorf("%+v", all)
		}
	})
}
