package httpapi

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/authority"
)

// onTLS serves an API on loopback with mutual TLS, and returns where.
func (p pki) onTLS(handler http.Handler) (address string) {
	p.Helper()
	config, err := authority.LoadServer(p.issue("server-"+p.Name()[:8], access.Member))
	if err != nil {
		p.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		p.Fatal(err)
	}
	if a, ours := handler.(*API); ours {
		serve(p.T, a, l)
		return l.Addr().String()
	}
	server := &http.Server{Handler: handler}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	p.Cleanup(func() {
		server.Close()
		<-ended
	})
	return l.Addr().String()
}

func (p pki) tlsFor(name string, kind access.Kind) *tls.Config {
	p.Helper()
	config, err := authority.LoadClient(p.issue(name, kind))
	if err != nil {
		p.Fatal(err)
	}
	return config
}

func (p pki) clientFor(name string, kind access.Kind) *http.Client {
	transport := &http.Transport{TLSClientConfig: p.tlsFor(name, kind)}
	p.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// worker makes the API of a machine that is no member.
func (p pki) worker(members ...string) *API {
	return New(Config{
		Local: fakeSystemd{"core-02"}, Self: there, Host: "core-02", Members: members,
		TLS: p.tlsFor("core-02", access.Member), Version: "1",
	})
}

func TestWhoAsks(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	at := "https://" + p.onTLS(member(f)) + api.Base + "/units/web.service"
	alice, machine := p.clientFor("alice", access.Person), p.clientFor("core-02", access.Member)

	ask(t, alice, "DELETE", at, "")
	if f.lastBy() != "alice" {
		t.Errorf("written by %q, want alice", f.lastBy())
	}
	ask(t, machine, "DELETE", at, "", api.ByHeader, "user core on core-02")
	if f.lastBy() != "user core on core-02" {
		t.Errorf("written by %q, want whom the machine vouches for", f.lastBy())
	}
	if response, text := ask(t, alice, "DELETE", at, "", api.ByHeader, "root"); response.StatusCode != 403 {
		t.Errorf("an operator vouches for another: %d %s", response.StatusCode, text)
	}
	if response, text := ask(t, machine, "DELETE", at, "", api.ByHeader, strings.Repeat("x", 300)); response.StatusCode != 400 {
		t.Errorf("a name of 300 bytes: %d %s", response.StatusCode, text)
	}
	if response, text := ask(t, onSocket(t, member(f)), "DELETE", base+"/units/web.service", "", api.ByHeader, "root"); response.StatusCode != 403 {
		t.Errorf("a local user vouches for another: %d %s", response.StatusCode, text)
	}
	if f.lastBy() != "user core on core-02" {
		t.Errorf("a refused request was done, by %q", f.lastBy())
	}
	stranger := newPKI(t).clientFor("mallory", access.Person)
	if _, err := stranger.Get(at); err == nil {
		t.Error("a certificate of another authority was let in")
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, member(f), plain)
	if response, text := ask(t, &http.Client{}, "GET", "http://"+plain.Addr().String()+api.Base+"/machines", ""); response.StatusCode != 401 {
		t.Errorf("over plain TCP: %d %s", response.StatusCode, text)
	}
}

func TestWorkerPassesOn(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	var refused atomic.Int64
	unready := p.onTLS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refused.Add(1)
		http.Error(w, "not yet", http.StatusServiceUnavailable)
	}))
	good := p.onTLS(member(f))
	c := onSocket(t, p.worker(dead.Addr().String(), unready, good))

	if response, text := ask(t, c, "PUT", base+"/units/new.service", `{"text":"[Unit]\n","desired":"inactive"}`); response.StatusCode != 201 {
		t.Fatalf("PUT: %d %s", response.StatusCode, text)
	}
	if want := "user " + me(t) + " on core-02"; f.lastBy() != want || *f.changes[0].Text != "[Unit]\n" {
		t.Errorf("written by %q, want %q; %+v", f.lastBy(), want, f.changes)
	}
	if _, text := ask(t, c, "GET", base+"/units?unit=a.service", ""); !strings.Contains(text, "a.service") {
		t.Errorf("GET: %s", text)
	}
	if response, text := ask(t, c, "GET", base+"/units/none.service", ""); response.StatusCode != 404 || !strings.Contains(text, "not found") {
		t.Errorf("GET of nothing: %d %s", response.StatusCode, text)
	}
	if refused.Load() != 1 {
		t.Errorf("the unready member was asked %d times: the one that answered must come first", refused.Load())
	}
	status, text := ask(t, c, "GET", base+"/units/web.service/status", "")
	if text != "web.service on core-01\n" || status.Trailer.Get(api.ExitTrailer) != "3" {
		t.Errorf("status through a member: %q, trailers %v", text, status.Trailer)
	}
	if response, text := ask(t, c, "PUT", base+"/units/new.service", "{", "Content-Type", "text/plain"); response.StatusCode != 415 {
		t.Errorf("a bad request through a worker: %d %s", response.StatusCode, text)
	}
}

func TestNobodyAnswers(t *testing.T) {
	p := newPKI(t)
	if response, text := ask(t, onSocket(t, p.worker()), "GET", base+"/machines", ""); response.StatusCode != 503 {
		t.Errorf("without members: %d %s", response.StatusCode, text)
	}
	hangsUp := p.onTLS(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	var asked atomic.Int64
	second := p.onTLS(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	c := onSocket(t, p.worker(hangsUp, second))
	if response, text := ask(t, c, "DELETE", base+"/units/web.service", ""); response.StatusCode != 502 || asked.Load() != 0 {
		t.Errorf("DELETE that may have been done: %d %s, a second member was asked %d times", response.StatusCode, text, asked.Load())
	}
	if response, _ := ask(t, c, "GET", base+"/machines", ""); response.StatusCode != 200 || asked.Load() != 1 {
		t.Errorf("GET: %d, a second member was asked %d times, want once", response.StatusCode, asked.Load())
	}
	if response, text := ask(t, onSocket(t, p.worker(hangsUp)), "GET", base+"/machines", ""); response.StatusCode != 502 || !strings.Contains(text, "no member answered") {
		t.Errorf("GET: %d %s", response.StatusCode, text)
	}
}

// TestStatusGoesToTheMachine asks a worker for a unit that it has itself: it
// passes on to the member, the member back to the worker.
func TestStatusGoesToTheMachine(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	m := New(Config{
		Registry: f, Local: fakeSystemd{"core-01"}, Self: here, Host: "core-01",
		TLS: p.tlsFor("core-01", access.Member), Version: "1",
	})
	worker := p.worker(p.onTLS(m))
	f.far = p.onTLS(worker)
	c := onSocket(t, worker)
	status, text := ask(t, c, "GET", base+"/units/far.service/status", "")
	if text != "far.service on core-02\n" || status.Trailer.Get(api.ExitTrailer) != "3" {
		t.Errorf("status: %q, trailers %v", text, status.Trailer)
	}
	journal, text := ask(t, c, "GET", base+"/units/far.service/journal?lines=7", "")
	if text != "far.service on core-02, last 7\n" || journal.Trailer.Get(api.ExitTrailer) != "0" {
		t.Errorf("journal: %q, trailers %v", text, journal.Trailer)
	}
	broken, _ := ask(t, c, "GET", base+"/units/far.service/journal?output=cat", "")
	if got := broken.Trailer.Get(api.ErrorTrailer); !strings.Contains(got, "journalctl: bad entry") {
		t.Errorf("broken journal: error trailer %q", got)
	}
	if _, text := ask(t, c, "GET", base+"/units/web.service/status?machine="+string(there), ""); text != "web.service on core-02\n" {
		t.Errorf("status of a machine's own: %q", text)
	}
}

// TestRestartGoesToTheMachine and there to nobody but a member's or an own user.
func TestRestartGoesToTheMachine(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	m := New(Config{
		Registry: f, Local: fakeSystemd{"core-01"}, Self: here, Host: "core-01",
		TLS: p.tlsFor("core-01", access.Member), Version: "1",
	})
	worker := p.worker(p.onTLS(m))
	f.far = p.onTLS(worker)
	for name, c := range map[string]*http.Client{"a member": onSocket(t, m), "a worker": onSocket(t, worker)} {
		for _, on := range []cluster.MachineID{here, there} {
			response, text := ask(t, c, "POST", base+"/units/global.service/restart?machine="+string(on), "")
			if response.Trailer.Get(api.ExitTrailer) != "0" || text != "" {
				t.Errorf("%s, asked to restart on %s: %d %q, trailers %v", name, on, response.StatusCode, text, response.Trailer)
			}
		}
		response, _ := ask(t, c, "POST", base+"/units/bad.service/restart?machine="+string(there), "")
		if got := response.Trailer.Get(api.ErrorTrailer); !strings.Contains(got, "on core-02: for user "+me(t)) || !strings.HasSuffix(got, "its job ended as failed") {
			t.Errorf("%s: error trailer %q", name, got)
		}
		if response, text := ask(t, c, "POST", base+"/units/web.service/restart?machine="+string(there), ""); response.StatusCode != 409 {
			t.Errorf("%s, of a unit that is elsewhere: %d %s", name, response.StatusCode, text)
		}
	}
}

// TestRestartIsNotAskedTwice: a member that hangs up may have done it.
func TestRestartIsNotAskedTwice(t *testing.T) {
	p := newPKI(t)
	hangsUp := p.onTLS(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	var asked atomic.Int64
	second := p.onTLS(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	c := onSocket(t, p.worker(hangsUp, second))
	response, text := ask(t, c, "POST", base+"/units/global.service/restart?machine="+string(here), "")
	if response.StatusCode != 502 || asked.Load() != 0 {
		t.Errorf("%d %s, a second member was asked %d times", response.StatusCode, text, asked.Load())
	}
}

func TestRequestsDoNotGoInCircles(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	// A machine that takes itself for another one: its record leads back to it.
	m := New(Config{
		Registry: f, Local: fakeSystemd{"core-01"}, Self: here, Host: "core-01",
		TLS: p.tlsFor("core-01", access.Member), Version: "1",
	})
	f.far = p.onTLS(m)
	response, text := ask(t, onSocket(t, m), "GET", base+"/units/far.service/status", "")
	if response.StatusCode != http.StatusLoopDetected {
		t.Errorf("%d %s, want %d", response.StatusCode, text, http.StatusLoopDetected)
	}
}
