package store

import (
	"math"
	"testing"

	"argosy/core/access"
	"argosy/edge/etcdnode/etcdtest"
)

// TestRegisterRubbish has an operator's slip of etcdctl let nobody in and keep no
// one else out.
func TestRegisterRubbish(t *testing.T) {
	reports := make(chan error, 100)
	s := open(t, Config{Endpoints: etcdtest.Start(t), Report: func(err error) { reports <- err }})
	rubbish := map[string]string{
		"people/mallory":                 `{"role":"root"}`,
		"people/Mallory":                 `{"role":"admin"}`,
		"people/eve":                     `admin`,
		"revoked/person/mallory":         `{"least":-1}`,
		"revoked/machine/core-01":        `{"least":1}`,
		"revoked/":                       ``,
		"authorities":                    `[]`,
		"tokens/a1":                      `{"uses":"many"}`,
		"authorities/more":               `{"cluster":"c"}`,
		"people/bob/units":               `{"role":"admin"}`,
		"revoked/person/mallory/further": `{"least":0}`,
	}
	for key, value := range rubbish {
		if _, err := s.client.Put(t.Context(), root+key, value); err != nil {
			t.Fatal(err)
		}
	}
	alice, err := s.PutAccount(t.Context(), access.Account{Name: "alice", Role: access.Admin})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is reported
		register, err := s.Register(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(register.Accounts) != 1 || register.Accounts["alice"].Role != alice.Role {
			t.Errorf("accounts %+v, want alice's alone", register.Accounts)
		}
		if len(register.Revoked) != 1 || !register.Refuses(access.Identity{Kind: access.Person, Name: "mallory", Generation: math.MaxUint64 - 1}) {
			t.Errorf("revoked %+v, want every certificate of mallory", register.Revoked)
		}
		if register.Authorities != (access.Authorities{}) {
			t.Errorf("authorities %+v, want none", register.Authorities)
		}
		if tokens, err := s.Tokens(t.Context()); err != nil || len(tokens) != 0 {
			t.Errorf("tokens %+v, %v, want none", tokens, err)
		}
	}
	if _, err := s.Redeem(t.Context(), access.Claim{ID: "a1"}); err == nil {
		t.Error("a token that cannot be read was used")
	}
	if got, want := len(reports), len(rubbish)-1; got != want { // nobody looks below authorities/
		t.Errorf("%d reports, want each of %d pieces of rubbish once", got, want)
	}
}
