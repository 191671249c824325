package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/fleetv1"
	"argosy/edge/authority"
)

// echo is an API beside ours that tells what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set(fleetv1.AgeHeader, "7")
	w.Header().Set(fleetv1.StaleHeader, "since noon")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s %s by %s", r.Method, r.URL.RequestURI(), body, By(r).Account.Name)
}

func TestBeside(t *testing.T) {
	p := newPKI(t)
	beside := map[string]http.Handler{"/fleet/v1": http.HandlerFunc(echo)}
	member := New(Config{
		Registry: &fakeRegistry{}, Host: "core-01", Version: "1", Beside: beside, Access: newAccess(people()...), IdentityOf: authority.IdentityOf,
	})
	far := p.worker(p.onTLS(member))
	far.config.Beside = map[string]http.Handler{"/fleet/v1": nil} // of no use where there is no registry
	far.routes = far.route()
	at := p.onTLS(member)
	for who, client := range map[string]*http.Client{"user " + me(t) + " on core-01": onSocket(t, member), "victor": p.clientFor("victor", access.Person)} {
		base := "http://fleet"
		if who == "victor" {
			base = "https://" + at
		}
		for _, path := range []string{"/fleet/v1", "/fleet/v1/units/web%401.service?alt=json"} {
			response, text := ask(t, client, "PUT", base+path, "{}")
			want := fmt.Sprintf("PUT %s {} by %s", path, who)
			if text != want || response.StatusCode != http.StatusTeapot || response.Header.Get("Age") != "7" || response.Header.Get("Argosy-Stale") != "since noon" {
				t.Errorf("%s: %d %q with %v, want %q", who, response.StatusCode, text, response.Header, want)
			}
		}
		if response, text := ask(t, client, "GET", base+"/fleet/v10", ""); response.StatusCode != 404 {
			t.Errorf("%s, what lies not below: %d %s", who, response.StatusCode, text)
		}
	}
	if response, text := ask(t, onSocket(t, far), "PUT", "http://fleet/fleet/v1/x", ""); response.StatusCode != 403 || !strings.Contains(text, "core-02 is no member") {
		t.Errorf("on a worker: %d %s", response.StatusCode, text)
	}
	alice := p.clientFor("alice", access.Person)
	if response, text := ask(t, alice, "GET", "https://"+p.onTLS(member)+"/fleet/v1/units", "", "Argosy-By", "root"); response.StatusCode != 403 {
		t.Errorf("an operator vouches for another: %d %s", response.StatusCode, text)
	}
}

// TestBesideIsJudgedByRole: another API asks what each caller may, and refusals there
// are recorded as those of ours.
func TestBesideIsJudgedByRole(t *testing.T) {
	p, m := newPKI(t), member(&fakeRegistry{})
	m.config.Beside = map[string]http.Handler{"/fleet/v1": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.May(r, access.Change, "web.service"); err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	})}
	m.routes = m.route()
	at := "https://" + p.onTLS(m) + "/fleet/v1/units/web.service"
	for who, want := range map[string]int{"alice": 200, "oscar": 200, "wendy": 200, "victor": 403, "nobody": 403} {
		if response, text := ask(t, p.clientFor(who, access.Person), "PUT", at, "{}"); response.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", who, response.StatusCode, text, want)
		}
	}
	for _, kind := range []access.Kind{access.Worker, access.Local} {
		if response, text := ask(t, p.clientFor(string(there), kind), "PUT", at, "{}"); response.StatusCode != 403 {
			t.Errorf("a %s: %d %s", kind, response.StatusCode, text)
		}
	}
	if lines := m.config.Audit.(*fakeAudit).all(); len(lines) != 4 || !strings.Contains(strings.Join(lines, "\n"), "victor refused change PUT /fleet/v1/units/web.service: victor is a viewer") {
		t.Errorf("recorded is %q", lines)
	}
}
