package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
)

// fakePolicies asks for digests, and tells who set what.
type fakePolicies struct {
	mu  sync.Mutex
	did []string
}

func (f *fakePolicies) Policy(context.Context) (signing.Policy, error) {
	return signing.Policy{Keys: []signing.Key{signingtest.New("bob").Key()}, Digests: true, By: "root"}, nil
}

func (f *fakePolicies) SetPolicy(_ context.Context, by access.Caller, change api.PolicyChange) (api.PolicyWritten, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf("%s sets %s, digests %v", by.Account.Name, change.Keys, change.Digests))
	return api.PolicyWritten{Changed: true}, nil
}

// TestWhoMayWithThePolicy: admins set it, whoever may read sees it.
func TestWhoMayWithThePolicy(t *testing.T) {
	p, f := newPKI(t), &fakePolicies{}
	m := member(&fakeRegistry{})
	m.config.Policies = f
	at := "https://" + p.onTLS(m) + api.Base + "/policy"
	person := func(name string) *http.Client { return p.clientFor(name, access.Person) }
	worker := p.clientFor(string(there), access.Worker)
	key := signingtest.New("bob").Key().String()
	good := fmt.Sprintf(`{"keys":[%q],"digests":true}`, key)
	for _, c := range []struct {
		client       *http.Client
		method, body string
		code         int
		says         string
	}{
		{person("victor"), "GET", "", 200, fmt.Sprintf(`{"keys":[%q],"digests":true,"by":"root"}`, key)},
		{person("oscar"), "GET", "", 200, key},
		{person("nobody"), "GET", "", 403, "nobody may not read"},
		{worker, "GET", "", 403, "may not read"},
		{person("victor"), "PUT", good, 403, "victor is a viewer"},
		{person("oscar"), "PUT", good, 403, "oscar is an operator"},
		{worker, "PUT", good, 403, "may not"},
		{p.clientFor(string(there), access.Local), "PUT", good, 403, "may not"},
		{person("alice"), "PUT", good, 200, `{"changed":true}`},
		{person("alice"), "PUT", `{}`, 200, `{"changed":true}`},
		{person("alice"), "PUT", `{"keys":["ssh-rsa AAAA"]}`, 400, `\"ssh-rsa AAAA\" is no key; expected a line as in ~/.ssh/id_ed25519.pub`},
		{person("alice"), "PUT", `{"keys":[7]}`, 400, "the body is not as expected"},
		{person("alice"), "PUT", `{"digest":true}`, 400, "the body is not as expected"},
		{person("alice"), "DELETE", "", 405, "it takes GET, PUT"},
	} {
		response, text := ask(t, c.client, c.method, at, c.body, "Content-Type", "application/json")
		if response.StatusCode != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s %s: %d %s, want %d %q", c.method, c.body, response.StatusCode, text, c.code, c.says)
		}
	}
	want := []string{"alice sets [" + key + "], digests true", "alice sets [], digests false"}
	if fmt.Sprint(f.did) != fmt.Sprint(want) {
		t.Errorf("done was %q, want %q", f.did, want)
	}
}

// TestSignaturesTravel: they reach the registry as they were sent.
func TestSignaturesTravel(t *testing.T) {
	f := &fakeRegistry{}
	signed := signingtest.New("alice").Sign("web.service", "[Service]\n")
	body := fmt.Sprintf(`{"text":"[Service]\n","signatures":%q,"desired":"inactive"}`, signed)
	response, text := ask(t, onSocket(t, member(f)), "PUT", base+"/units/web.service", body, "Content-Type", "application/json")
	if response.StatusCode >= 300 || len(f.changes) != 1 || f.changes[0].Signatures != signed || f.changes[0].Bundle().Signatures != signed {
		t.Errorf("%d %s: %+v", response.StatusCode, text, f.changes)
	}
}
