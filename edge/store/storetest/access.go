package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// registered is who may do what now, without the revision of the reading.
func (s *suite) registered() access.Register {
	s.Helper()
	register, err := s.store.Register(s.Context())
	if err != nil || register.Revision == 0 {
		s.Fatalf("the register: %+v, %v", register, err)
	}
	register.Revision = 0
	return register
}

func testAccounts(s *suite) {
	ctx := s.Context()
	first := access.Account{Name: "alice@example.org", Role: access.Operator, Units: []string{"web@*.service", "<&>.mount"}, By: "root", At: someTime}
	alice, err := s.store.PutAccount(ctx, first)
	if err != nil || alice.Revision == 0 {
		s.Fatalf("%+v, %v", alice, err)
	}
	if _, err := s.store.PutAccount(ctx, first); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("a new account over an old one: %v, want ErrConflict", err)
	}
	second := alice
	second.Role, second.Units = access.Admin, nil
	if second, err = s.store.PutAccount(ctx, second); err != nil || second.Revision <= alice.Revision {
		s.Fatalf("%+v, %v", second, err)
	}
	if _, err := s.store.PutAccount(ctx, alice); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("an account written from an old revision: %v, want ErrConflict", err)
	}
	if got := s.registered().Accounts; !reflect.DeepEqual(got, map[string]access.Account{second.Name: second}) {
		s.Errorf("got %+v, want %+v", got, second)
	}
	if err := s.store.DeleteAccount(ctx, second.Name, alice.Revision); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("delete at an old revision: %v, want ErrConflict", err)
	}
	if err := s.store.DeleteAccount(ctx, second.Name, second.Revision); err != nil {
		s.Error(err)
	}
	if err := s.store.DeleteAccount(ctx, second.Name, second.Revision); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("delete what is gone: %v, want ErrNotFound", err)
	}
	for _, bad := range []access.Account{{Name: "../x", Role: access.Admin}, {Name: "bob", Role: "root"}, {Name: "bob"}} {
		if _, err := s.store.PutAccount(ctx, bad); err == nil {
			s.Errorf("%+v was stored", bad)
		}
	}
	if err := s.store.DeleteAccount(ctx, "a/b", 0); err == nil {
		s.Error("an account of no person was deleted")
	}
	if got := s.registered().Accounts; len(got) != 0 {
		s.Errorf("after the end of all: %+v", got)
	}
}

func testRevoked(s *suite) {
	ctx := s.Context()
	machine, person := access.Subject{Machine: machineID(1)}, access.Subject{Person: "alice"}
	if got, err := s.store.Revocation(ctx, machine); err != nil || got != (access.Revocation{Subject: machine}) {
		s.Errorf("never revoked: %+v, %v", got, err)
	}
	first, err := s.store.Revoke(ctx, machine, "bob", someTime)
	if err != nil || first.Least != 1 || first.Revision == 0 {
		s.Errorf("revoked once: %+v, %v", first, err)
	}
	second, err := s.store.Revoke(ctx, machine, "bob", someTime)
	if err != nil || second.Least != 2 {
		s.Errorf("revoked twice: %+v, %v", second, err)
	}
	if got, err := s.store.Revocation(ctx, machine); err != nil || got != second {
		s.Errorf("read %+v, %v, want %+v", got, err, second)
	}
	other, err := s.store.Revoke(ctx, person, "bob", someTime)
	if err != nil {
		s.Error(err)
	}
	want := map[access.Subject]access.Revocation{machine: second, person: other}
	if got := s.registered().Revoked; !reflect.DeepEqual(got, want) {
		s.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []access.Subject{{}, {Person: "A B"}, {Machine: "core-01"}} {
		if _, err := s.store.Revoke(ctx, bad, "bob", someTime); err == nil {
			s.Errorf("%+v was revoked", bad)
		}
		if _, err := s.store.Revocation(ctx, bad); err == nil {
			s.Errorf("%+v was read", bad)
		}
	}
}

func testExpel(s *suite) {
	ctx, m, other := s.Context(), s.putMachine(1), s.putMachine(2)
	for _, of := range []cluster.Machine{m, other} {
		if err := s.store.PutStates(ctx, of.Lease, of.ID, []cluster.UnitState{{Unit: unitName(1)}}, nil); err != nil {
			s.Fatal(err)
		}
	}
	for n := range uint64(2) {
		revoked, err := s.store.Expel(ctx, access.Subject{Machine: m.ID}, "alice", someTime)
		if err != nil || revoked.Least != n+1 {
			s.Errorf("expel: %+v, %v", revoked, err)
		}
	}
	p := &picture{}
	if err := p.learn(s.all(cluster.Everything)); err != nil {
		s.Error(err)
	}
	if len(p.facts) != 3 || p.facts["machine "+string(other.ID)] == nil || p.facts["departed "+string(m.ID)] == nil {
		s.Errorf("after it was expelled: %v", p.facts)
	}
	if err := s.store.KeepAlive(ctx, m.Lease); !errors.Is(err, cluster.ErrLeaseGone) {
		s.Errorf("its lease: %v, want ErrLeaseGone", err)
	}
	if _, err := s.store.Expel(ctx, access.Subject{Person: "mallory"}, "alice", someTime); err != nil {
		s.Error(err)
	}
	if _, err := s.store.Expel(ctx, access.Subject{Machine: "core-01"}, "alice", someTime); err == nil {
		s.Error("a machine called core-01 was expelled")
	}
}

func testAuthorities(s *suite) {
	ctx := s.Context()
	first, err := s.store.PutAuthorities(ctx, access.Authorities{
		Succession: access.Succession{Bundle: "a", Key: "b"}, Peers: access.Succession{Bundle: "p", Signs: "q"}, Turn: "m", By: "root", At: someTime,
	})
	if err != nil || first.Revision == 0 {
		s.Fatalf("%+v, %v", first, err)
	}
	if _, err := s.store.PutAuthorities(ctx, access.Authorities{Succession: access.Succession{Bundle: "c"}}); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("new authorities over old ones: %v, want ErrConflict", err)
	}
	first.Bundle, first.Key = "a\nc", "d"
	second, err := s.store.PutAuthorities(ctx, first)
	if err != nil {
		s.Fatal(err)
	}
	if got := s.registered().Authorities; got != second {
		s.Errorf("got %+v, want %+v", got, second)
	}
}

func testTokens(s *suite) {
	ctx := s.Context()
	token := access.Token{
		ID: "b2", Hash: access.HashSecret("sesame"), Kind: access.Worker, Uses: 2,
		Expires: someTime.Add(time.Hour), By: "alice", At: someTime,
	}
	if err := s.store.PutToken(ctx, token); err != nil {
		s.Fatal(err)
	}
	if err := s.store.PutToken(ctx, token); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("a token over another: %v, want ErrConflict", err)
	}
	other := token
	other.ID = "a1"
	if err := s.store.PutToken(ctx, other); err != nil {
		s.Fatal(err)
	}
	all, err := s.store.Tokens(ctx)
	if err != nil || len(all) != 2 || all[0].ID != "a1" || all[1].Revision == 0 || all[1].Revision > all[0].Revision {
		s.Errorf("all tokens: %+v, %v", all, err)
	}
	claim := access.Claim{ID: "b2", Secret: "sesame", Kind: access.Worker, Name: string(machineID(1)), At: someTime}
	for _, wrong := range []access.Claim{
		{ID: "b2", Secret: "open", Kind: access.Worker, At: someTime},
		{ID: "c3", Secret: "sesame", Kind: access.Worker, At: someTime},
		{ID: "../b2", Secret: "sesame", Kind: access.Worker, At: someTime},
		{ID: "b2", Secret: "sesame", Kind: access.Member, At: someTime},
		{ID: "b2", Secret: "sesame", Kind: access.Worker, At: token.Expires},
	} {
		if got, err := s.store.Redeem(ctx, wrong); !errors.Is(err, access.ErrTokenRefused) {
			s.Errorf("%+v: %+v, %v, want ErrTokenRefused", wrong, got, err)
		}
	}
	for left := 1; left >= 0; left-- {
		if got, err := s.store.Redeem(ctx, claim); err != nil || got.Uses != left || got.Kind != access.Worker || got.By != "alice" {
			s.Errorf("used: %+v, %v, want %d uses left", got, err, left)
		}
	}
	if got, err := s.store.Redeem(ctx, claim); !errors.Is(err, access.ErrTokenRefused) {
		s.Errorf("used up: %+v, %v, want ErrTokenRefused", got, err)
	}
	if err := s.store.DeleteToken(ctx, "b2"); err != nil {
		s.Error(err)
	}
	if err := s.store.DeleteToken(ctx, "b2"); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("delete what is gone: %v, want ErrNotFound", err)
	}
	if err := s.store.DeleteToken(ctx, "b/2"); err == nil {
		s.Error("a token with no id was deleted")
	}
	other.ID, other.Uses = "d4", 0
	if err := s.store.PutToken(ctx, other); err == nil {
		s.Error("a token that gives nothing was stored")
	}
}

// testRace has more come at once than a token is good for.
func testRace(s *suite) {
	const uses, askers = 5, 12
	token := access.Token{ID: "a1", Hash: access.HashSecret("sesame"), Kind: access.Worker, Uses: uses, Expires: someTime.Add(time.Hour), At: someTime}
	if err := s.store.PutToken(s.Context(), token); err != nil {
		s.Fatal(err)
	}
	var got, refused atomic.Int64
	var all sync.WaitGroup
	for n := range askers {
		all.Go(func() {
			_, err := s.store.Redeem(s.Context(), access.Claim{ID: "a1", Secret: "sesame", Kind: access.Worker, Name: string(machineID(n)), At: someTime})
			switch {
			case err == nil:
				got.Add(1)
			case errors.Is(err, access.ErrTokenRefused):
				refused.Add(1)
			default:
				s.Error(err)
			}
		})
	}
	all.Wait()
	if got.Load() != uses || refused.Load() != askers-uses {
		s.Errorf("%d of %d got in with a token for %d, %d were refused", got.Load(), askers, uses, refused.Load())
	}
}

// testRegister follows who may do what.
func testRegister(s *suite) {
	ctx, cancel := context.WithCancel(s.Context())
	told := make(chan access.Register)
	done := make(chan error, 1)
	go func() {
		done <- s.store.FollowRegister(ctx, func(register access.Register) error {
			select {
			case told <- register:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	defer func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			s.Errorf("FollowRegister ended with %v, want its context's end", err)
		}
	}()
	var last access.Register
	until := func(what string, ok func() bool) {
		s.Helper()
		deadline := time.After(patience)
		for before := last.Revision; ; {
			select {
			case last = <-told:
				if last.Revision < before {
					s.Errorf("told of %d after %d", last.Revision, before)
				}
				if ok() {
					return
				}
			case <-deadline:
				s.Fatalf("not told of %s, last %+v", what, last)
			}
		}
	}
	until("the beginning", func() bool { return last.Revision > 0 && len(last.Accounts)+len(last.Revoked) == 0 })
	alice, err := s.store.PutAccount(ctx, access.Account{Name: "alice", Role: access.Viewer, At: someTime})
	if err != nil {
		s.Fatal(err)
	}
	until("an account", func() bool { return reflect.DeepEqual(last.Accounts["alice"], alice) })
	r, err := s.store.Revoke(ctx, access.Subject{Machine: machineID(1)}, "bob", someTime)
	if err != nil {
		s.Fatal(err)
	}
	until("a revocation", func() bool { return last.Revoked[r.Subject] == r && len(last.Accounts) == 1 })
	authorities, err := s.store.PutAuthorities(ctx, access.Authorities{Succession: access.Succession{Bundle: "a"}, At: someTime})
	if err != nil {
		s.Fatal(err)
	}
	until("authorities", func() bool { return last.Authorities == authorities })
	keyring, err := s.store.PutKeyring(ctx, access.Keyring{Seals: "k1", At: someTime}, authorities.Revision)
	if err != nil {
		s.Fatal(err)
	}
	until("another key", func() bool { return reflect.DeepEqual(last.Keyring, keyring) })
	if err := s.store.DeleteAccount(ctx, "alice", alice.Revision); err != nil {
		s.Fatal(err)
	}
	until("an account's end", func() bool { return len(last.Accounts) == 0 })
	other := s.putUnit(aUnit("a.service", "a"), "a")
	until("nothing new", func() bool { return last.Revision >= other.Revision && last.Authorities == authorities })
	end := fmt.Errorf("enough")
	if err := s.store.FollowRegister(s.Context(), func(access.Register) error { return end }); !errors.Is(err, end) {
		s.Errorf("ended with %v, want what deliver said", err)
	}
}
