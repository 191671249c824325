package authority

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"argosy/core/access"
)

// take has a folder go by authorities as fleetd does: it takes them up, renews what is
// due, and takes them up again where that was asked for.
func take(t *testing.T, f Folder, office Folder, bundle string, key []byte) (changed bool) {
	t.Helper()
	for range 3 {
		done, other, err := f.TakeUp([]byte(bundle), key)
		if err != nil {
			t.Fatal(err)
		}
		changed = changed || other
		due, _, err := f.Due(time.Now(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range due {
			renew(t, f, office, name)
		}
		if done && len(due) == 0 {
			return changed
		}
	}
	t.Fatal("it did not come to an end")
	return false
}

func renew(t *testing.T, f, office Folder, name string) {
	t.Helper()
	if f.Signs() {
		if err := f.RenewOwn(name); err != nil {
			t.Fatal(err)
		}
		return
	}
	renewal, err := f.Renewal(name)
	if err != nil {
		t.Fatal(err)
	}
	held, err := office.Proven(renewal)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := office.Sign(renewal.Request, access.Grant{Who: held.Who, Hosts: held.Hosts, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Replace(name, []byte(certificate)); err != nil {
		t.Fatal(err)
	}
}

// joined is a folder of another machine of f's cluster.
func joined(t *testing.T, f Folder, kind access.Kind) Folder {
	t.Helper()
	wish := access.Wish{Kind: kind, Name: strings.Repeat("a", 32), Host: "core-02", Addresses: []string{"127.0.0.1"}}
	keys, err := NewKeys(&wish)
	if err != nil {
		t.Fatal(err)
	}
	grant := access.Grant{Who: access.Identity{Kind: kind, Name: wish.Name}, Hosts: wish.Hosts(), Life: time.Hour}
	var answer access.Answer
	if answer.Bundle, err = f.Bundle(); err != nil {
		t.Fatal(err)
	}
	sign := func(by func(string, access.Grant) (string, error), request string, grant access.Grant) string {
		certificate, err := by(request, grant)
		if err != nil {
			t.Fatal(err)
		}
		return certificate
	}
	answer.Certificates.Own = sign(f.Sign, wish.Requests.Own, grant)
	answer.Certificates.Local = sign(f.Sign, wish.Requests.Local, access.Grant{Who: access.Identity{Kind: access.Local, Name: wish.Name}, Life: time.Hour})
	if kind == access.Member {
		all, err := f.Keys()
		if err != nil {
			t.Fatal(err)
		}
		answer.Membership = &all
		answer.Certificates.Peer = sign(f.SignPeer, wish.Requests.Peer, grant)
	}
	other := Folder(t.TempDir())
	if err := other.Place(keys, answer); err != nil {
		t.Fatal(err)
	}
	return other
}

// trusts says by which authorities a folder goes and who signed its certificate.
func trusts(t *testing.T, f Folder) (pins []string, by string) {
	t.Helper()
	text, err := f.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	if pins, err = Pins([]byte(text)); err != nil {
		t.Fatal(err)
	}
	held, err := f.Held(MachineName)
	if err != nil {
		t.Fatal(err)
	}
	return pins, held.By
}

func TestAnAuthorityIsReplaced(t *testing.T) {
	first := member(t, time.Hour)
	if err := first.Write(SecretsKeyFile, []byte("k")); err != nil {
		t.Fatal(err)
	}
	second, worker, absent := joined(t, first, access.Member), joined(t, first, access.Worker), joined(t, first, access.Worker)
	late := joined(t, first, access.Member)
	next, key, err := first.Begin()
	if err != nil {
		t.Fatal(err)
	}
	turned, alone := bundles(t, next)
	former, newest := next.Former, next.Newest
	for _, step := range []struct {
		name, bundle string
		changed      bool // others are trusted than before
		trusted      []string
		by           string
	}{
		{"both are trusted", next.Bundle, true, []string{former, newest}, former},
		{"nothing is new", next.Bundle, false, []string{former, newest}, former},
		{"the new one signs", turned, false, []string{newest, former}, newest},
		{"the new one is alone", alone, true, []string{newest}, newest},
	} {
		for who, f := range map[string]Folder{"first": first, "second": second} {
			if got := take(t, f, first, step.bundle, key); got != step.changed {
				t.Errorf("%s, %s: changed is %t", step.name, who, got)
			}
		}
		if got := take(t, worker, first, step.bundle, nil); got != step.changed {
			t.Errorf("%s, worker: changed is %t", step.name, got)
		}
		for who, f := range map[string]Folder{"first": first, "second": second, "worker": worker} {
			if pins, by := trusts(t, f); !slices.Equal(pins, step.trusted) || by != step.by {
				t.Errorf("%s, %s: trusts %s with a certificate of %s", step.name, who, pins, by)
			}
		}
	}

	if !take(t, late, late, alone, key) {
		t.Error("a member that was off trusts what it trusted before")
	}
	if pins, by := trusts(t, late); !slices.Equal(pins, []string{newest}) || by != newest {
		t.Errorf("a member that was off trusts %s with a certificate of %s", pins, by)
	}
	before := readAll(t, absent)
	if _, _, err := absent.TakeUp([]byte(alone), nil); err == nil || !strings.Contains(err.Error(), "none of those that are trusted here is among them: join the machine again") {
		t.Errorf("a worker that was off: %v", err)
	}
	if readAll(t, absent) != before {
		t.Error("a refused bundle changed files")
	}
}

func TestAuthoritiesThatAreNone(t *testing.T) {
	f := member(t, time.Hour)
	before := readAll(t, f)
	for bundle, want := range map[string]string{
		"":      "no certificate in PEM form in it",
		"waste": "no certificate in PEM form in it",
	} {
		if _, _, err := f.TakeUp([]byte(bundle), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", bundle, err)
		}
	}
	next, key, err := f.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.TakeUp([]byte(next.Bundle), []byte("waste")); err == nil || !strings.Contains(err.Error(), "no private key in PEM form") {
		t.Error(err)
	}
	stranger, otherKey, err := member(t, time.Hour).Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse([]byte(next.Bundle), otherKey); err == nil || !strings.Contains(err.Error(), "the key is of none of the certificates") {
		t.Error(err)
	}
	if _, err := Turn(next.Bundle, stranger.Newest); err == nil || !strings.Contains(err.Error(), "is not among those of the cluster") {
		t.Error(err)
	}
	if a, err := Parse([]byte(next.Bundle), key); err != nil || a.Pin() != next.Newest {
		t.Errorf("%v", err)
	}
	if readAll(t, f) != before {
		t.Error("something was changed")
	}
}

func TestAuthoritiesAreReadAnew(t *testing.T) {
	f := member(t, time.Hour)
	if _, err := LoadAuthorities(f.path("none.crt")); err == nil {
		t.Error("there are none")
	}
	current, err := LoadAuthorities(f.BundleFile())
	if err != nil {
		t.Fatal(err)
	}
	before := current()
	next, _, err := f.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(CertificateFile, []byte(next.Bundle)); err != nil {
		t.Fatal(err)
	}
	both := current()
	if both.Equal(before) {
		t.Error("the authorities are those of before")
	}
	if err := os.WriteFile(f.BundleFile(), []byte("waste"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !current().Equal(both) {
		t.Error("a file that cannot be read changed them")
	}
}

// bundles are those of a succession's later steps.
func bundles(t *testing.T, next access.Succession) (turned, alone string) {
	t.Helper()
	turned, err := Turn(next.Bundle, next.Newest)
	if err != nil {
		t.Fatal(err)
	}
	alone, err = Alone(turned, next.Newest)
	if err != nil {
		t.Fatal(err)
	}
	return turned, alone
}
