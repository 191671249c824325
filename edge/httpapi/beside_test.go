package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/fleetv1"
)

// echo is an API beside ours that tells what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set(fleetv1.AgeHeader, "7")
	w.Header().Set(fleetv1.StaleHeader, "since noon")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s %s by %s", r.Method, r.URL.RequestURI(), body, By(r))
}

func TestBeside(t *testing.T) {
	p := newPKI(t)
	beside := map[string]http.Handler{"/fleet/v1": http.HandlerFunc(echo)}
	member := New(Config{Registry: &fakeRegistry{}, Host: "core-01", Version: "1", Beside: beside})
	far := p.worker(p.onTLS(member))
	far.config.Beside = map[string]http.Handler{"/fleet/v1": nil} // of no use where there is no registry
	far.routes = far.route()
	for host, client := range map[string]*http.Client{"core-01": onSocket(t, member), "core-02": onSocket(t, far)} {
		for _, path := range []string{"/fleet/v1", "/fleet/v1/units/web%401.service?alt=json"} {
			response, text := ask(t, client, "PUT", "http://fleet"+path, "{}")
			want := fmt.Sprintf("PUT %s {} by user %s on %s", path, me(t), host)
			if text != want || response.StatusCode != http.StatusTeapot || response.Header.Get("Age") != "7" || response.Header.Get("Argosy-Stale") != "since noon" {
				t.Errorf("at %s: %d %q with %v, want %q", host, response.StatusCode, text, response.Header, want)
			}
		}
		if response, text := ask(t, client, "GET", "http://fleet/fleet/v10", ""); response.StatusCode != 404 {
			t.Errorf("at %s, what lies not below: %d %s", host, response.StatusCode, text)
		}
	}
	if response, text := ask(t, onSocket(t, far), "PUT", "http://fleet/fleet/v1/x", strings.Repeat("x", maxBodyBytes+1)); response.StatusCode != 413 {
		t.Errorf("a large body: %d %s", response.StatusCode, text)
	}
	alice := p.clientFor("alice", access.Person)
	if response, text := ask(t, alice, "GET", "https://"+p.onTLS(member)+"/fleet/v1/units", "", "Argosy-By", "root"); response.StatusCode != 403 {
		t.Errorf("an operator vouches for another: %d %s", response.StatusCode, text)
	}
}
