package registrar_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/role/registrar"
)

const (
	first  = "0123456789abcdef0123456789abcdef"
	second = "fedcba9876543210fedcba9876543210"
)

// register is a store with tokens, revocations and machines.
type register struct {
	tokens   map[string]access.Token
	revoked  map[access.Subject]access.Revocation
	machines []cluster.Machine
	done     []access.Entry
}

func (r *register) Tokens(context.Context) (all []access.Token, err error) {
	for _, token := range r.tokens {
		all = append(all, token)
	}
	return all, nil
}

func (r *register) Redeem(_ context.Context, claim access.Claim, done ...access.Entry) (access.Token, error) {
	token, there := r.tokens[claim.ID]
	if !there {
		return token, access.ErrUnknownToken
	}
	left, err := token.Accept(claim)
	if err == nil {
		r.tokens[claim.ID], r.done = left, append(r.done, done...)
	}
	return left, err
}

func (r *register) Revocation(_ context.Context, subject access.Subject) (access.Revocation, error) {
	return r.revoked[subject], nil
}

func (r *register) Machines(context.Context) ([]cluster.Machine, error) { return r.machines, nil }

// members is the store's own membership.
type members struct {
	expected map[uint64]string
	fault    error
}

func (m *members) Members(context.Context) ([]string, error) {
	return []string{"https://10.0.0.1:2379"}, m.fault
}

func (m *members) Add(_ context.Context, name, peerURL string) (uint64, string, error) {
	m.expected[7] = name + "=" + peerURL
	return 7, "core-01=https://10.0.0.1:2380," + m.expected[7], nil
}

func (m *members) Remove(_ context.Context, id uint64) error {
	delete(m.expected, id)
	return nil
}

type world struct {
	*testing.T
	office   *registrar.Office
	register *register
	members  *members
	folder   authority.Folder
	pin      string
	now      time.Time
	refused  []string // what was told to be recorded
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, now: time.Now(), folder: authority.Folder(filepath.Join(t.TempDir(), "pki"))}
	if err := w.folder.Found(); err != nil {
		t.Fatal(err)
	}
	if err := w.folder.Write(authority.SecretsKeyFile, []byte("k KEY\n")); err != nil {
		t.Fatal(err)
	}
	a, err := w.folder.Authority()
	if err != nil {
		t.Fatal(err)
	}
	w.pin = a.Pin()
	token := func(id string, kind access.Kind, name string) access.Token {
		return access.Token{ID: id, Hash: access.HashSecret("S"), Kind: kind, Name: name, Uses: 1, Expires: w.now.Add(time.Hour)}
	}
	w.register = &register{
		tokens:   map[string]access.Token{"w": token("w", access.Worker, ""), "m": token("m", access.Member, ""), "p": token("p", access.Person, "alice")},
		revoked:  map[access.Subject]access.Revocation{{Machine: second}: {Least: 3}},
		machines: []cluster.Machine{{ID: first, Name: "core-01", Address: "10.0.0.1"}},
	}
	w.members = &members{expected: map[uint64]string{}}
	w.office = &registrar.Office{
		Register: w.register, Members: w.members, Desk: w.folder, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Refused: func(from, asked, why string) { w.refused = append(w.refused, from+": "+asked+": "+why) },
	}
	return w
}

func (w *world) wish(token string, kind access.Kind) access.Wish {
	w.Helper()
	wish := access.Wish{Token: token, Kind: kind, Name: second, Host: "core-02", Addresses: []string{"10.0.0.2"}}
	if kind == access.Person {
		wish = access.Wish{Token: token, Kind: kind, Name: "alice"}
	}
	if _, err := authority.NewKeys(&wish); err != nil {
		w.Fatal(err)
	}
	return wish
}

func TestATokenGivesWhatItIsFor(t *testing.T) {
	w := newWorld(t)
	for token, kind := range map[string]access.Kind{"w": access.Worker, "m": access.Member, "p": access.Person} {
		wish := w.wish(token+".S", kind)
		answer, err := w.office.Admit(t.Context(), wish, "10.0.0.2")
		if err != nil {
			t.Fatal(err)
		}
		if err := authority.Verify(wish, answer, w.pin); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if (answer.Membership != nil) != (kind == access.Member) {
			t.Errorf("a %s got the authorities' keys: %v", kind, answer.Membership != nil)
		}
		if kind == access.Member && answer.Membership.SecretsKey != "k KEY\n" {
			t.Errorf("a member got %q as the key of secrets", answer.Membership.SecretsKey)
		}
		held, err := authority.Verified([]byte(answer.Certificates.Own), []byte(answer.Bundle))
		if err != nil || kind != access.Person && held.Who.Generation != 3 {
			t.Errorf("%s: %+v, %v; want the generation that is not revoked", kind, held, err)
		}
		if last := w.register.done[len(w.register.done)-1]; last.Did != "join" || last.By != (access.Identity{Kind: kind, Name: wish.Name}).By() || last.From != "10.0.0.2" || !strings.HasPrefix(last.Note, "token "+token+", generation ") {
			t.Errorf("recorded is %+v", last)
		}
		// The same words again are no second certificate.
		if _, err := w.office.Admit(t.Context(), wish, "10.0.0.2"); !errors.Is(err, access.ErrTokenRefused) || !strings.Contains(err.Error(), "used as often as it may be") {
			t.Errorf("%s again: %v", kind, err)
		}
	}
	if got := w.members.expected[7]; got != "core-02=https://10.0.0.2:2380" {
		t.Errorf("the store expects %q", got)
	}
}

func TestAdmitRefuses(t *testing.T) {
	for want, change := range map[string]func(*world, *access.Wish){
		"expected ID.SECRET":                   func(_ *world, wish *access.Wish) { wish.Token = "w" },
		"it is not known here":                 func(_ *world, wish *access.Wish) { wish.Token = "w.T" },
		"the token is refused: it is not know": func(_ *world, wish *access.Wish) { wish.Token = "x.S" },
		"it is for a member, not for a worker": func(_ *world, wish *access.Wish) { wish.Token = "m.S" },
		"it has expired at":                    func(w *world, _ *access.Wish) { w.now = w.now.Add(2 * time.Hour) },
		"is in the cluster":                    func(_ *world, wish *access.Wish) { wish.Name = first },
		"has the address 10.0.0.1 already":     func(_ *world, wish *access.Wish) { wish.Addresses = append(wish.Addresses, "10.0.0.1") },
		"is neither a DNS name nor an IP":      func(_ *world, wish *access.Wish) { wish.Addresses[0] = "999.0.0.2:5" + ":" },
		"expected one certificate request":     func(_ *world, wish *access.Wish) { wish.Requests.Local = "rubbish" },
	} {
		w := newWorld(t)
		wish := w.wish("w.S", access.Worker)
		change(w, &wish)
		answer, err := w.office.Admit(t.Context(), wish, "10.0.0.2")
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, access.ErrRefused) && !errors.Is(err, access.ErrTokenRefused) {
			t.Errorf("%v, want %q", err, want)
		}
		if answer.Bundle != "" || w.register.tokens["w"].Uses != 1 {
			t.Errorf("%s: a use was spent, or something was answered", want)
		}
		if len(w.refused) != 1 || !strings.HasPrefix(w.refused[0], "10.0.0.2: join as worker ") || !strings.Contains(w.refused[0], want) || strings.Contains(w.refused[0], "token "+wish.Token+":") && strings.Contains(wish.Token, ".") {
			t.Errorf("%s: to be recorded is %q", want, w.refused)
		}
	}
}

// A member that cannot be let in after all is not waited for by the store.
func TestAMemberThatIsNotLetInIsNotExpected(t *testing.T) {
	w := newWorld(t)
	w.members.fault = errors.New("the store is away")
	if _, err := w.office.Admit(t.Context(), w.wish("m.S", access.Member), "10.0.0.2"); !errors.Is(err, w.members.fault) {
		t.Error(err)
	}
	if len(w.members.expected) != 0 || w.register.tokens["m"].Uses != 1 {
		t.Errorf("expected %v, %d uses", w.members.expected, w.register.tokens["m"].Uses)
	}
	if len(w.refused) != 0 {
		t.Errorf("a fault was told as a refusal: %q", w.refused)
	}
}

func TestRenew(t *testing.T) {
	w := newWorld(t)
	hold := func(generation uint64) access.Renewal {
		name := "machine"
		f := authority.Folder(t.TempDir())
		for _, file := range []string{"ca.crt", "ca.key"} {
			text, err := os.ReadFile(filepath.Join(string(w.folder), file))
			if err == nil {
				err = f.Write(file, text)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		who := access.Identity{Kind: access.Worker, Name: second, Generation: generation}
		if err := f.Grant(name, access.Grant{Who: who, Hosts: []string{"core-02"}, Life: time.Hour}); err != nil {
			t.Fatal(err)
		}
		renewal, err := f.Renewal(name)
		if err != nil {
			t.Fatal(err)
		}
		return renewal
	}
	answer, err := w.office.Renew(t.Context(), hold(3), "10.0.0.2")
	if err != nil || answer.Membership != nil || answer.Certificates.Own == "" {
		t.Errorf("%v", err)
	}
	if _, err := w.office.Renew(t.Context(), hold(2), "10.0.0.2"); !errors.Is(err, access.ErrRefused) || !strings.Contains(err.Error(), "are revoked") {
		t.Error(err)
	}
	late := hold(3)
	w.now = w.now.Add(20 * 24 * time.Hour)
	if _, err := w.office.Renew(t.Context(), late, "10.0.0.2"); err != nil {
		t.Errorf("after twenty days: %v", err)
	}
	w.now = w.now.Add(20 * 24 * time.Hour)
	if _, err := w.office.Renew(t.Context(), late, "10.0.0.2"); !errors.Is(err, access.ErrRefused) || !strings.Contains(err.Error(), "join again") {
		t.Error(err)
	}
	if len(w.refused) != 2 || !strings.HasPrefix(w.refused[0], "10.0.0.2: renew the certificate of worker "+second+": ") {
		t.Errorf("to be recorded is %q", w.refused)
	}
}

// wallet holds one certificate of an hour, in virtual time.
type wallet struct {
	until   time.Time
	signs   bool
	refused int // renewals that do not work, before they do
	renewed []time.Time
}

func (w *wallet) Due(now time.Time, draw float64) ([]string, time.Time, error) {
	at := access.RenewAt(w.until.Add(-time.Hour), w.until, draw)
	if at.After(now) {
		return nil, at, nil
	}
	return []string{"machine"}, time.Time{}, nil
}

func (w *wallet) Signs() bool { return w.signs }

func (w *wallet) RenewOwn(string) error {
	if w.refused > 0 {
		w.refused--
		return errors.New("not now")
	}
	w.until = time.Now().Add(time.Hour)
	w.renewed = append(w.renewed, time.Now())
	return nil
}

func (w *wallet) Renewal(string) (access.Renewal, error) { return access.Renewal{}, nil }
func (w *wallet) Replace(string, []byte) error           { return w.RenewOwn("") }

func TestTheKeeperRenewsInTime(t *testing.T) {
	for name, w := range map[string]*wallet{"member": {signs: true}, "worker": {}, "with faults": {refused: 3}, "ended long ago": {signs: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w.until = time.Now().Add(time.Hour)
				if name == "ended long ago" {
					w.until = time.Now().Add(-time.Hour)
				}
				keeper := registrar.Keeper{Wallet: w, Draw: 0.5, Log: slog.New(slog.DiscardHandler),
					Ask: func(context.Context, access.Renewal) (access.Answer, error) { return access.Answer{}, nil }}
				ctx, stop := context.WithTimeout(t.Context(), 10*time.Hour)
				defer stop()
				if err := keeper.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				if n := len(w.renewed); n < 13 || n > 15 {
					t.Errorf("renewed %d times in ten hours, want once in about 42 minutes", n)
				}
				if w.until.Before(time.Now()) {
					t.Error("it has ended")
				}
			})
		})
	}
}

// succeeding is a wallet whose certificate is of an authority that signs no more.
type succeeding struct {
	wallet
	asked, knows int // how often it was asked until who signs knew of it
}

func (w *succeeding) Due(now time.Time, draw float64) ([]string, time.Time, error) {
	if w.asked < w.knows {
		return []string{"machine"}, time.Time{}, nil
	}
	return nil, now.Add(time.Hour), nil
}

func (w *succeeding) RenewOwn(string) error { w.asked++; return nil }

// TestTheKeeperFollowsWhoSigns: it looks at once when it is told to, and asks again
// soon, not at once, where the answer is of the former authority.
func TestTheKeeperFollowsWhoSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &succeeding{wallet: wallet{signs: true}}
		again := make(chan struct{})
		keeper := registrar.Keeper{Wallet: w, Again: again, Log: newWorld(t).office.Log}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- keeper.Run(ctx) }()
		synctest.Wait()
		w.knows = 3
		again <- struct{}{}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w.asked != 3 {
			t.Errorf("asked %d times in ten seconds, want 3", w.asked)
		}
		stop()
		<-done
	})
}
