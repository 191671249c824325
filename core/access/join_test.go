package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

func aWish(change func(*Wish)) Wish {
	w := Wish{Kind: Worker, Name: id, Host: "core-01", Addresses: []string{"10.0.0.1", "2001:db8::1"}, Requests: Papers{Own: "a", Local: "b"}}
	change(&w)
	return w
}

func TestWishes(t *testing.T) {
	for _, c := range []struct {
		change func(*Wish)
		want   string // "" where it is right, else in the error
	}{
		{func(*Wish) {}, ""},
		{func(w *Wish) { w.Kind, w.Requests.Peer = Member, "c" }, ""},
		{func(w *Wish) { *w = Wish{Kind: Person, Name: "alice", Requests: Papers{Own: "a"}} }, ""},
		{func(w *Wish) { w.Kind = "root" }, "no kind of identity"},
		{func(w *Wish) { w.Kind = Local }, "local programs join with their machine"},
		{func(w *Wish) { w.Name = "core-01" }, "32 lower-case hexadecimal digits"},
		{func(w *Wish) { w.Name = "../" + id }, "32 lower-case hexadecimal digits"},
		{func(w *Wish) { w.Requests.Own = "" }, "there is no certificate request"},
		{func(w *Wish) { w.Requests.Local = "" }, "no certificate request for the machine's local programs"},
		{func(w *Wish) { w.Requests.Peer = "c" }, "is for members"},
		{func(w *Wish) { w.Kind = Member }, "is for members"},
		{func(w *Wish) { *w = Wish{Kind: Person, Name: "alice", Host: "core-01", Requests: Papers{Own: "a"}} }, "a person has no host"},
		{func(w *Wish) { w.Host = "" }, "no host name"},
		{func(w *Wish) { w.Host = "localhost" }, "no host name"},
		{func(w *Wish) { w.Host = "a=b,c" }, "no host name"},
		{func(w *Wish) { w.Host = "10.0.0.2" }, "no host name"}, // it would be good for that address
		{func(w *Wish) { w.Host = strings.Repeat("a", 64) }, "no host name"},
		{func(w *Wish) { w.Addresses = nil }, "0 addresses: expected 1 to 16"},
		{func(w *Wish) { w.Addresses = make([]string, 17) }, "17 addresses"},
		{func(w *Wish) { w.Addresses[0] = "127.0.0.1" }, `"127.0.0.1" is no address that others could know a machine by`},
		{func(w *Wish) { w.Addresses[0] = "0.0.0.0" }, "is no address"},
		{func(w *Wish) { w.Addresses[0] = "::1" }, "is no address"},
		{func(w *Wish) { w.Addresses[0] = "::" }, "is no address"},
		{func(w *Wish) { w.Addresses[0] = "0:0:0:0:0:0:0:1" }, "is no address"},
		{func(w *Wish) { w.Addresses[0] = "::ffff:127.0.0.1" }, "is no address"},
		{func(w *Wish) { w.Addresses[0] = "core-02" }, "is no address"},
		{func(w *Wish) { w.Addresses[0] = "10.0.0.1:2379" }, ""}, // refused where the certificate is made
	} {
		w := aWish(c.change)
		err := w.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", w, err, c.want)
		}
	}
}

func TestNobodyIsTakenForAnother(t *testing.T) {
	const other = cluster.MachineID("fedcba9876543210fedcba9876543210")
	for want, there := range map[string]cluster.Machine{
		"":                               {ID: other, Name: "core-02", Address: "10.0.0.2"},
		"does not join again":            {ID: id, Name: "core-09", Address: "10.0.0.9"},
		"is called CORE-01 already":      {ID: other, Name: "CORE-01", Address: "10.0.0.2"},
		"has the address 10.0.0.1 alrea": {ID: other, Name: "core-02", Address: "10.0.0.1"},
	} {
		err := aWish(func(*Wish) {}).Collides([]cluster.Machine{there})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", there, err, want)
		}
	}
}

func TestParseSecret(t *testing.T) {
	if id, secret, err := ParseSecret("abc1.SECRET"); id != "abc1" || secret != "SECRET" || err != nil {
		t.Error(id, secret, err)
	}
	for _, text := range []string{"", "abc", "abc.", ".TELLTALE", "a/b.SECRET", "ABC.SECRET", "abc." + strings.Repeat("x", 65)} {
		if _, _, err := ParseSecret(text); !errors.Is(err, ErrTokenRefused) || strings.Contains(err.Error(), "TELLTALE") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMayHave(t *testing.T) {
	until := time.Unix(1e9, 0)
	held := Held{Who: Identity{Kind: Worker, Name: id, Generation: 1}, Hosts: []string{"core-01"}, From: until.Add(-time.Hour), Until: until}
	grant, err := Revocation{Least: 1}.MayHave(held, until.Add(time.Hour))
	if err != nil || grant.Who != held.Who || grant.Life != time.Hour || len(grant.Hosts) != 1 {
		t.Errorf("%+v, %v", grant, err)
	}
	if _, err := (Revocation{Least: 2}).MayHave(held, until); err == nil || !strings.Contains(err.Error(), "the certificates of worker "+id+" are revoked") {
		t.Error(err)
	}
	if _, err := (Revocation{}).MayHave(held, until.Add(31*24*time.Hour)); err == nil || !strings.Contains(err.Error(), "too long ago: join again with a token") {
		t.Error(err)
	}
}
