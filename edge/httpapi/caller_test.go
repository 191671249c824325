package httpapi

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/edge/authority"
)

func TestWhoAsks(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	m := member(f)
	at := "https://" + p.onTLS(m) + api.Base + "/units/web.service"
	alice, machine := p.clientFor("alice", access.Person), p.clientFor(string(there), access.Member)
	const word = `{"name":"user core on core-02","role":"admin","from":"socket"}`

	ask(t, alice, "DELETE", at, "")
	if f.lastBy() != "alice" {
		t.Errorf("written by %q, want alice", f.lastBy())
	}
	ask(t, machine, "DELETE", at, "")
	if f.lastBy() != "member "+string(there) {
		t.Errorf("written by %q, want the machine", f.lastBy())
	}
	ask(t, machine, "DELETE", at, "", api.ByHeader, word)
	if f.lastBy() != "user core on core-02" {
		t.Errorf("written by %q, want whom the machine vouches for", f.lastBy())
	}
	socket := onSocket(t, m)
	for _, c := range []struct {
		client   *http.Client
		at, word string
		code     int
		says     string
	}{
		{alice, at, word, 403, "only a member"},
		{p.clientFor(string(there), access.Worker), at, word, 403, "only a member"},
		{p.clientFor(string(there), access.Local), at, word, 403, "only a member"},
		{socket, base + "/units/web.service", word, 403, "only a member"},
		{machine, at, "root", 400, "is not as expected"},
		{machine, at, `{}`, 400, "has a name or an address that is not a line"},
		{machine, at, `{"name":"` + strings.Repeat("x", 300) + `","role":"admin"}`, 400, "at most 256 printable bytes"},
		{machine, at, `{"name":"a","from":"` + strings.Repeat("x", 300) + `","role":"admin"}`, 400, "at most 256 printable bytes"},
		{machine, at, `{"name":"a\nb","role":"admin"}`, 400, "at most 256 printable bytes"},
		{machine, at, `{"name":"a","role":"root"}`, 400, `has no role: \"root\" is no role`},
		{machine, at, `{"name":"` + strings.Repeat("x", maxVouchBytes) + `"}`, 400, "is longer than 8192 bytes"},
		{machine, at, `{"name":"victor","role":"viewer","from":"::1"}`, 403, "victor is a viewer and may not change units"},
		{machine, at, `{"name":"wendy","role":"operator","units":["db*"],"from":"::1"}`, 403, "wendy may change units called db*, and not web.service"},
		{p.clientFor("nobody", access.Person), at, "", 403, "nobody may not change units"},
		{p.clientFor(string(there), access.Worker), at, "", 403, "may not change units"},
		{p.clientFor(string(there), access.Local), at, "", 403, "may not change units"},
	} {
		var headers []string
		if c.word != "" {
			headers = []string{api.ByHeader, c.word}
		}
		if response, text := ask(t, c.client, "DELETE", c.at, "", headers...); response.StatusCode != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%q: %d %s, want %d %q", c.word, response.StatusCode, text, c.code, c.says)
		}
	}
	if len(f.by) != 3 {
		t.Errorf("refused requests were done: %q", f.by)
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

// TestNobodyIsLetInUnjudged: before the store was heard, no certificate is worth
// anything, and the socket is.
func TestNobodyIsLetInUnjudged(t *testing.T) {
	p, m := newPKI(t), member(&fakeRegistry{})
	m.config.Access.(*fakeAccess).away = true
	at := "https://" + p.onTLS(m) + api.Base + "/units"
	for _, c := range []*http.Client{p.clientFor("alice", access.Person), p.clientFor(string(there), access.Member)} {
		if response, text := ask(t, c, "GET", at, ""); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", response.StatusCode, text)
		}
	}
	if response, text := ask(t, onSocket(t, m), "GET", base+"/units", ""); response.StatusCode != 200 {
		t.Errorf("on the socket: %d %s", response.StatusCode, text)
	}
}

// judged is every route, and the one who of all below may do least of those that may.
var judged = map[string]access.Verb{
	"GET /machines": access.Read, "PATCH /machines/{id}/labels": access.Label, "GET /states": access.Read, "GET /units": access.Read,
	"GET /units/{name}": access.Read, "PUT /units/{name}": access.Change, "DELETE /units/{name}": access.Change,
	"GET /units/{name}/why": access.Read, "GET /units/{name}/status": access.Read, "GET /units/{name}/journal": access.Read,
	"POST /units/{name}/restart": access.Change, "GET /watch": access.Read, "POST /claims": access.Serve, "GET /cluster": access.Serve, "POST /cluster": access.Serve, "GET /contents/{hash}": access.Serve, "GET /openapi.json": access.Look,
	"GET /keys":   access.Share,
	"GET /policy": access.Read, "PUT /policy": access.Govern,
	"GET /secrets": access.Read, "GET /secrets/{name}": access.Serve, "PUT /secrets/{name}": access.Govern, "DELETE /secrets/{name}": access.Govern,
	"GET /people": access.Govern, "PUT /people/{name}": access.Govern, "DELETE /people/{name}": access.Govern,
	"POST /people/{name}/revoke": access.Govern, "POST /people/{name}/tokens": access.Govern, "GET /audit": access.Govern,
	"GET /healthz": access.Look, "GET /readyz": access.Look, "GET /metrics": access.Read,
	"GET /{$}": access.Look, "PUT /{$}": access.Look, "POST /{$}": access.Look, "DELETE /{$}": access.Look, "PATCH /{$}": access.Look,
}

// TestEveryRouteIsJudged: a new route fails until it stands above, and each caller is
// refused what they may not, over HTTP.
func TestEveryRouteIsJudged(t *testing.T) {
	m := member(&fakeRegistry{})
	found := map[string]access.Verb{}
	for _, paths := range []map[string]map[string]route{m.paths(), m.others()} {
		for path, methods := range paths {
			for method, to := range methods {
				found[method+" "+path] = to.verb
			}
		}
	}
	if !reflect.DeepEqual(found, judged) {
		t.Errorf("routes are %v, judged are %v", found, judged)
	}
	const worker = "worker"
	may := map[access.Verb]string{ // who of those below
		access.Look: "alice oscar wendy victor nobody worker", access.Read: "alice oscar wendy victor", access.Change: "alice oscar wendy",
		access.Label: "alice oscar", access.Govern: "alice", access.Serve: worker,
	}
	for path, verb := range judged {
		method, path, _ := strings.Cut(path, " ")
		if _, below := m.paths()[path]; below {
			path = api.Base + path
		}
		path = strings.NewReplacer("{name}", "web.service", "{id}", string(here), "{hash}", "nohash", "{$}", "").Replace(path)
		for _, who := range strings.Fields(may[access.Look]) {
			name, kind := who, access.Person
			if who == worker {
				name, kind = string(there), access.Worker
			}
			r := httptest.NewRequestWithContext(t.Context(), method, path+"?nobody=knows", nil)
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
			m.config.IdentityOf = func(*x509.Certificate) (access.Identity, error) { return access.Identity{Kind: kind, Name: name}, nil }
			w := httptest.NewRecorder()
			m.ServeHTTP(w, r)
			if refused := w.Code == http.StatusForbidden && path != api.Base+"/claims"; refused != !strings.Contains(may[verb], who) && path != api.Base+"/claims" {
				t.Errorf("%s %s by %s: %d %s", method, path, who, w.Code, w.Body)
			}
		}
	}
}

// TestRevokedWatchEnds, and that of somebody whose role is taken away, while others'
// go on.
func TestRevokedWatchEnds(t *testing.T) {
	accounts := func(names ...string) map[string]access.Account {
		all := map[string]access.Account{}
		for _, a := range people() {
			if strings.Contains(fmt.Sprint(names), a.Name) {
				all[a.Name] = a
			}
		}
		return all
	}
	for says, next := range map[string]access.Register{
		"the certificate of person victor is revoked": {
			Accounts: accounts("alice", "victor"), Revoked: map[access.Subject]access.Revocation{{Person: "victor"}: {Least: 1}},
		},
		"victor may not read the cluster": {Accounts: accounts("alice")},
	} {
		p, m := newPKI(t), member(&fakeRegistry{})
		at := "https://" + p.onTLS(m) + api.Base + "/watch?unit=web.service"
		watch := func(name string) (*http.Response, *bufio.Reader) {
			response, err := p.clientFor(name, access.Person).Get(at)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { response.Body.Close() })
			r := bufio.NewReader(response.Body)
			if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "web.service") {
				t.Fatalf("%s is told %q, %v", name, line, err)
			}
			return response, r
		}
		_, others := watch("alice")
		response, out := watch("victor")
		m.config.Access.(*fakeAccess).change(next)
		if rest, err := out.ReadString('\n'); err == nil || rest != "" {
			t.Errorf("%s: he is told %q more, %v", says, rest, err)
		}
		if got := response.Trailer.Get(api.ErrorTrailer); got != says {
			t.Errorf("the watch ended with %q, want %q", got, says)
		}
		if response, text := ask(t, p.clientFor("victor", access.Person), "GET", at, ""); response.StatusCode != 403 || !strings.Contains(text, says) {
			t.Errorf("asked again: %d %s", response.StatusCode, text)
		}
		m.guests.mu.Lock()
		if n := len(m.guests.here); n != 1 {
			t.Errorf("%d guests are left, want alice alone", n)
		}
		m.guests.mu.Unlock()
		_ = others
	}
}

// TestGuestWhoComesInBehindAChange is judged by it too.
func TestGuestWhoComesInBehindAChange(t *testing.T) {
	m := member(&fakeRegistry{})
	who := access.Identity{Kind: access.Person, Name: "victor"}
	by, err := m.holder(who)
	if err != nil {
		t.Fatal(err)
	}
	m.config.Access.(*fakeAccess).change(access.Register{})
	r, leave := m.welcome(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), by, access.Read)
	defer leave()
	if err := cutShort(r, nil); err == nil || r.Context().Err() == nil {
		t.Errorf("let in: %v", err)
	}
}

// TestOpenPortReads and changes nothing.
func TestOpenPortReads(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, member(&fakeRegistry{}), Open(l))
	at := "http://" + l.Addr().String() + api.Base + "/units/web.service"
	if response, text := ask(t, &http.Client{}, "GET", at, ""); response.StatusCode != 200 {
		t.Errorf("GET: %d %s", response.StatusCode, text)
	}
	if response, text := ask(t, &http.Client{}, "DELETE", at, ""); response.StatusCode != 403 || !strings.Contains(text, "user unknown on core-01 is a viewer") {
		t.Errorf("DELETE: %d %s", response.StatusCode, text)
	}
}

// TestConnect goes through a worker to a member and speaks TLS with that one.
func TestConnect(t *testing.T) {
	p, f := newPKI(t), &fakeRegistry{}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	good := p.onTLS(member(f))
	worker := p.worker(dead.Addr().String(), good)
	at := p.onTLS(worker)
	secrets := p.tlsFor("alice", access.Person)
	through := func(target string) (net.Conn, *http.Response) {
		conn, err := tls.Dial("tcp", at, secrets)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		if err != nil {
			t.Fatal(err)
		}
		return conn, response
	}
	for _, target := range []string{toMember, good} {
		conn, response := through(target)
		if response.StatusCode != 200 {
			t.Fatalf("CONNECT %s: %s", target, response.Status)
		}
		inner := secrets.Clone()
		inner.ServerName = "127.0.0.1"
		secure := tls.Client(conn, inner)
		fmt.Fprintf(secure, "DELETE %s/units/web.service HTTP/1.1\r\nHost: m\r\n\r\n", api.Base)
		answer, err := http.ReadResponse(bufio.NewReader(secure), nil)
		if err != nil || answer.StatusCode != 200 || f.lastBy() != "alice" {
			t.Fatalf("through %s: %v, %v, written by %q", target, answer, err, f.lastBy())
		}
		answer.Body.Close()
	}
	for _, target := range []string{"127.0.0.1:22", "other:49153", dead.Addr().String(), "localhost:2379"} {
		want := http.StatusForbidden
		if target == dead.Addr().String() {
			want = http.StatusBadGateway
		}
		if _, response := through(target); response.StatusCode != want {
			t.Errorf("CONNECT %s: %s, want %d", target, response.Status, want)
		}
	}
	secrets = p.tlsFor(string(there), access.Worker)
	if _, response := through(toMember); response.StatusCode != http.StatusForbidden {
		t.Errorf("a machine: %s", response.Status)
	}
	secrets = p.tlsFor("alice", access.Person)
	for range maxTunnels - len(worker.tunnels.open) { // two are under way
		worker.tunnels.open <- struct{}{}
	}
	if _, response := through(toMember); response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one too many: %s", response.Status)
	}
}

// TestConnectKnowsNobody of a machine that was told of no members.
func TestConnectKnowsNobody(t *testing.T) {
	a := New(Config{Local: fakeSystemd{"core-02"}, Self: there, Host: "core-02", Version: "1", IdentityOf: authority.IdentityOf})
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodConnect, "/", nil)
	r.Host = toMember
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
	a.config.IdentityOf = func(*x509.Certificate) (access.Identity, error) {
		return access.Identity{Kind: access.Person, Name: "alice"}, nil
	}
	a.ServeHTTP(w, r)
	if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "this machine knows of none") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
