package httpapi

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/authority"
)

// onTLS serves an API on loopback with mutual TLS, and returns where. It shows the
// certificate of the API's own machine, and for any other handler that of there.
func (p pki) onTLS(handler http.Handler) (address string) {
	p.Helper()
	a, ours := handler.(*API)
	id, kind := there, access.Worker
	if ours && a.config.Registry != nil {
		id, kind = a.config.Self, access.Member
	}
	return p.onTLSAs(access.Identity{Kind: kind, Name: string(id)}, handler)
}

func (p pki) onTLSAs(who access.Identity, handler http.Handler) (address string) {
	p.Helper()
	if who.Name == "" {
		who.Name = string(here)
	}
	config, err := authority.LoadServer(p.issue(who.Name, who.Kind))
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

// worker makes the API of there, which is no member.
func (p pki) worker(members ...string) *API {
	return New(Config{
		Local: fakeSystemd{"core-02"}, Self: there, Host: "core-02", Members: members,
		TLS: p.tlsFor(string(there), access.Worker), Version: "1", IdentityOf: authority.IdentityOf,
	})
}

// member makes the API of here, with what it needs to ask others.
func (p pki) member(f *fakeRegistry) *API {
	a := member(f)
	a.config.TLS = p.tlsFor(string(here), access.Member)
	return a
}

// TestStatusGoesToTheMachine that has the unit.
func TestStatusGoesToTheMachine(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	worker := p.worker()
	f.far = p.onTLS(worker)
	c := onSocket(t, p.member(f))
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
	for _, machine := range []cluster.MachineID{here, there} {
		if response, text := ask(t, c, "GET", base+"/units/sshd.service/journal?machine="+string(machine), ""); response.StatusCode != 404 {
			t.Errorf("a unit of %s that is not the cluster's: %d %s", machine, response.StatusCode, text)
		}
	}
}

// TestWorkerAnswersOfItsOwn units, its own users and members, and nobody of anything
// else.
func TestWorkerAnswersOfItsOwn(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	worker := p.worker(p.onTLS(member(f)))
	at, socket := "https://"+p.onTLS(worker)+api.Base, onSocket(t, worker)
	status, text := ask(t, socket, "GET", base+"/units/far.service/status", "")
	if text != "far.service on core-02\n" || status.Trailer.Get(api.ExitTrailer) != "3" {
		t.Errorf("its own: %q, trailers %v", text, status.Trailer)
	}
	const member, worksFor = `{"name":"alice","role":"admin","from":"::1"}`, "/units/global.service/restart?machine=" + string(there)
	for _, c := range []struct {
		client       *http.Client
		method, path string
		by           string
		code         int
		says         string
	}{
		{socket, "GET", base + "/units", "", 403, "core-02 is no member of the cluster"},
		{socket, "PUT", base + "/units/far.service", "", 403, "fleetctl login"},
		{socket, "GET", base + "/watch?unit=far.service", "", 403, "is no member"},
		{socket, "GET", base + "/units/sshd.service/journal", "", 404, "not found"},
		{socket, "GET", base + "/units/far.service/status?machine=" + string(here), "", 403, "is no member"},
		{socket, "POST", base + worksFor, "", 403, "is a viewer and may not change units"},
		{socket, "POST", base + worksFor, member, 403, "only a member"},
		{socket, "GET", "http://fleet/healthz", "", 200, "ok"},
		{p.clientFor("alice", access.Person), "GET", at + "/units/far.service/status", "", 403, "is no member"},
		{p.clientFor("alice", access.Person), "POST", at + worksFor, "", 403, "is no member"},
		{p.clientFor("alice", access.Person), "GET", strings.TrimSuffix(at, api.Base) + "/readyz", "", 200, "ok"},
		{p.clientFor(string(there), access.Worker), "GET", at + "/units/far.service/status", "", 403, "may not read the cluster"},
		{p.clientFor(string(there), access.Worker), "POST", at + worksFor, member, 403, "only a member"},
		{p.clientFor(string(there), access.Local), "GET", at + "/units/far.service/status", "", 403, "may not read the cluster"},
		{p.clientFor(string(here), access.Member), "POST", at + worksFor, member, 200, ""},
	} {
		response, text := ask(t, c.client, c.method, c.path, "", api.ByHeader, c.by)
		if c.by == "" {
			response, text = ask(t, c.client, c.method, c.path, "")
		}
		if response.StatusCode != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s %s by %q: %d %s, want %d %q", c.method, c.path, c.by, response.StatusCode, text, c.code, c.says)
		}
	}
}

// TestRestartGoesToTheMachine and there to nobody but a member's word.
func TestRestartGoesToTheMachine(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	m := p.member(f)
	f.far = p.onTLS(p.worker())
	c := onSocket(t, m)
	for _, on := range []cluster.MachineID{here, there} {
		response, text := ask(t, c, "POST", base+"/units/global.service/restart?machine="+string(on), "")
		if response.Trailer.Get(api.ExitTrailer) != "0" || text != "" {
			t.Errorf("restart on %s: %d %q, trailers %v", on, response.StatusCode, text, response.Trailer)
		}
	}
	response, _ := ask(t, c, "POST", base+"/units/bad.service/restart?machine="+string(there), "")
	if got := response.Trailer.Get(api.ErrorTrailer); !strings.Contains(got, "on core-02: for user "+me(t)+" on core-01") || !strings.HasSuffix(got, "its job ended as failed") {
		t.Errorf("error trailer %q", got)
	}
	if response, text := ask(t, c, "POST", base+"/units/web.service/restart?machine="+string(there), ""); response.StatusCode != 409 {
		t.Errorf("of a unit that is elsewhere: %d %s", response.StatusCode, text)
	}
}

// TestNobodyElseAnswers: a machine of the cluster that has another one's address
// hears nothing of a request.
func TestNobodyElseAnswers(t *testing.T) {
	for _, who := range []access.Identity{
		{Kind: access.Worker, Name: "c9de9451693d4b2ba3b2f1c7b0d1f0aa"}, {Kind: access.Member, Name: "c9de9451693d4b2ba3b2f1c7b0d1f0aa"},
	} {
		p, f := newPKI(t), &fakeRegistry{}
		f.far = p.onTLSAs(who, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s was asked", who) }))
		response, text := ask(t, onSocket(t, p.member(f)), "POST", base+"/units/global.service/restart?machine="+string(there), "")
		if response.StatusCode != 502 || !strings.Contains(text, "its certificate is that of "+who.String()+", not of machine "+string(there)) {
			t.Errorf("%s: %d %s", who, response.StatusCode, text)
		}
	}
	p, f := newPKI(t), &fakeRegistry{}
	f.far = p.onTLS(p.worker())
	m := p.member(f)
	m.config.Access.(*fakeAccess).change(access.Register{Revoked: map[access.Subject]access.Revocation{{Machine: there}: {Least: 1}}})
	if response, text := ask(t, onSocket(t, m), "GET", base+"/units/far.service/status", ""); response.StatusCode != 502 || !strings.Contains(text, "the certificate of worker "+string(there)+" is revoked") {
		t.Errorf("a revoked machine: %d %s", response.StatusCode, text)
	}
}

// TestRestartIsNotAskedTwice: a machine that hangs up may have done it.
func TestRestartIsNotAskedTwice(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	f.far = p.onTLS(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	response, text := ask(t, onSocket(t, p.member(f)), "POST", base+"/units/global.service/restart?machine="+string(there), "")
	if response.StatusCode != 502 || !strings.Contains(text, "look whether it was done") {
		t.Errorf("%d %s", response.StatusCode, text)
	}
}

func TestRequestsDoNotGoInCircles(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	// A member that has been told another one's id as its own passes on again.
	other := p.member(f)
	other.config.Self = "c9de9451693d4b2ba3b2f1c7b0d1f0aa"
	f.far = p.onTLSAs(access.Identity{Kind: access.Member, Name: string(there)}, other)
	response, text := ask(t, onSocket(t, p.member(f)), "GET", base+"/units/far.service/status", "")
	if response.StatusCode != http.StatusLoopDetected {
		t.Errorf("%d %s, want %d", response.StatusCode, text, http.StatusLoopDetected)
	}
}
