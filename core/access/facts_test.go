package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

func TestRoles(t *testing.T) {
	for n, role := range roles {
		if got, err := ParseRole(string(role)); err != nil || got != role {
			t.Errorf("ParseRole(%q) = %q, %v", role, got, err)
		}
		for m, other := range roles {
			if role.Includes(other) != (n >= m) {
				t.Errorf("%s includes %s: %v", role, other, role.Includes(other))
			}
		}
		if role.Includes("root") || Role("root").Includes(role) || Role("").Includes("") {
			t.Errorf("%s and a role that is none: one includes the other", role)
		}
	}
	if _, err := ParseRole("Admin"); err == nil || err.Error() != `"Admin" is no role: expected admin, operator or viewer` {
		t.Error(err)
	}
}

func TestAccount(t *testing.T) {
	for _, c := range []struct {
		account Account
		want    string // in the error; "" for none
	}{
		{Account{Name: "alice", Role: Admin}, ""},
		{Account{Name: "alice", Role: Operator, Units: []string{"web@*.service", `a\x2db.mount`}}, ""},
		{Account{Name: "Alice", Role: Admin}, `"Alice" is no person's name`},
		{Account{Name: "alice"}, `"" is no role`},
		{Account{Name: "alice", Role: "root"}, `"root" is no role`},
		{Account{Name: "alice", Role: Viewer, Units: []string{"*"}}, `patterns of units are for operators: a role of "viewer" has none`},
		{Account{Name: "alice", Role: Operator, Units: []string{""}}, `"" is no pattern of units`},
		{Account{Name: "alice", Role: Operator, Units: []string{"[a"}}, `"[a" is no pattern of units: expected *, ? and [a-z] with every bracket closed, such as web@*.service`},
	} {
		if err := c.account.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.account, err, c.want)
		}
	}
}

func TestMayChange(t *testing.T) {
	for _, c := range []struct {
		account Account
		unit    cluster.UnitName
		may     bool
	}{
		{Account{Role: Admin}, "web.service", true},
		{Account{Role: Operator}, "web.service", true},
		{Account{Role: Operator, Units: []string{"db.*", "web@*.service"}}, "web@1.service", true},
		{Account{Role: Operator, Units: []string{`a\x2db.mount`}}, `a\x2db.mount`, true},
		{Account{Role: Operator, Units: []string{"web@*.service"}}, "web.service", false},
		{Account{Role: Viewer}, "web.service", false},
		{Account{}, "web.service", false},
	} {
		if got := c.account.MayChange(c.unit); got != c.may {
			t.Errorf("%+v may change %s: %v", c.account, c.unit, got)
		}
	}
}

func TestRevoked(t *testing.T) {
	worker := Identity{Kind: Worker, Name: id, Generation: 2}
	register := Register{Revoked: map[Subject]Revocation{worker.Subject(): {Least: 3}}}
	local := Identity{Kind: Local, Name: id, Generation: 2}
	if !register.Refuses(worker) || !register.Refuses(local) {
		t.Error("a generation below the least is taken")
	}
	worker.Generation = 3
	if register.Refuses(worker) || register.Refuses(Identity{Kind: Person, Name: id}) {
		t.Error("one that is not revoked is refused")
	}
}

func TestTokenCheck(t *testing.T) {
	hash := HashSecret("sesame")
	for _, c := range []struct {
		token Token
		want  string
	}{
		{Token{ID: "a1", Hash: hash, Kind: Worker, Uses: 1}, ""},
		{Token{ID: "a1", Hash: hash, Kind: Member, Name: id, Uses: 5}, ""},
		{Token{ID: "a1", Hash: hash, Kind: Person, Name: "alice", Uses: 1}, ""},
		{Token{ID: "a/1", Hash: hash, Kind: Worker, Uses: 1}, `"a/1" is no token's id: expected 1 to 64 of a-z and 0-9`},
		{Token{ID: "a1", Hash: "sesame", Kind: Worker, Uses: 1}, `"sesame" is no hash of a secret: expected a SHA-256 in hexadecimal`},
		{Token{ID: "a1", Hash: hash, Kind: Worker}, "0 uses: expected at least 1"},
		{Token{ID: "a1", Hash: hash, Kind: Local, Name: id, Uses: 1}, "a token gives no certificate of local programs"},
		{Token{ID: "a1", Hash: hash, Kind: Person, Uses: 1}, "a token for a person names the person"},
		{Token{ID: "a1", Hash: hash, Kind: Worker, Name: "core-01", Uses: 1}, `"core-01" is no machine id`},
		{Token{ID: "a1", Hash: hash, Uses: 1}, `"" is no kind of identity: expected member, worker or person`},
	} {
		if err := c.token.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.token, err, c.want)
		}
	}
}

func TestAccept(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	token := Token{ID: "a1", Hash: HashSecret("sesame"), Kind: Worker, Uses: 2, Expires: now.Add(time.Second)}
	good := Claim{ID: "a1", Secret: "sesame", Kind: Worker, Name: id, At: now}
	used, err := token.Accept(good)
	if err != nil || used.Uses != 1 {
		t.Fatalf("%+v, %v", used, err)
	}
	if used, err = used.Accept(good); err != nil || used.Uses != 0 {
		t.Fatalf("%+v, %v", used, err)
	}
	named := token
	named.Name = id
	if _, err := named.Accept(good); err != nil {
		t.Error(err)
	}
	for what, c := range map[string]struct {
		token Token
		claim func(*Claim)
	}{
		"it is not known here":                              {token, func(c *Claim) { c.Secret = "open" }},
		"refused: it is not known here":                     {token, func(c *Claim) { c.ID = "a2" }},
		"it has expired at 2026-01-02T03:04:06Z":            {token, func(c *Claim) { c.At = token.Expires }},
		"it was used as often as it may be":                 {used, func(*Claim) {}},
		"it is for a worker, not for a member":              {token, func(c *Claim) { c.Kind = Member }},
		`it is for "` + id + `", not for "` + id[1:] + `0"`: {named, func(c *Claim) { c.Name = id[1:] + "0" }},
	} {
		claim := good
		c.claim(&claim)
		if _, err := c.token.Accept(claim); !errors.Is(err, ErrTokenRefused) || !strings.HasSuffix(err.Error(), what) {
			t.Errorf("%v, want the end %q", err, what)
		}
	}
}
