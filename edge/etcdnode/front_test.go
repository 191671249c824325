package etcdnode

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"argosy/edge/authority"
)

// say answers who it was asked by, as root in the store.
func say(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, text+" "+r.Method) })
}

// ask makes one HTTP request.
func (w *world) ask(client *http.Client, method, path, body string, headers ...string) (status int, answer string) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), method, "https://"+w.address+path, strings.NewReader(body))
	w.must(err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	w.must(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	w.must(err)
	return response.StatusCode, strings.TrimSpace(string(text))
}

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// rangeOf is a call as JSON.
func rangeOf(key string) string { return fmt.Sprintf(`{"key":%q}`, base64Of(key)) }

func TestCallsAsJSON(t *testing.T) {
	w := begin(t, nil)
	w.shut()
	local, worker, member := w.curl(asLocal), w.curl(asWorker), w.curl(asMember)
	if status, answer := w.ask(local, "POST", "/v3/kv/put", fmt.Sprintf(`{"key":%q,"value":%q}`, base64Of("a"), base64Of("b")), "Content-Type", "application/json"); status != 200 || !strings.Contains(answer, `"header"`) {
		t.Errorf("put: %d %s", status, answer)
	}
	for _, path := range []string{"/v3/kv/range", "/v3beta/kv/range"} {
		if status, answer := w.ask(local, "POST", path, rangeOf("a")); status != 200 || !strings.Contains(answer, `"value":"Yg=="`) || !strings.Contains(answer, `"create_revision"`) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	for name, c := range map[string]struct {
		client       *http.Client
		path, body   string
		status       int
		words        string
		name1, said1 string
	}{
		"local reads ours":      {client: local, path: "/v3/kv/range", body: rangeOf(otherState), status: 403, words: `permission denied`},
		"local compacts":        {client: local, path: "/v3/kv/compaction", body: `{"revision":1}`, status: 403, words: "local " + machineA + " may not call /etcdserverpb.KV/Compact"},
		"worker reads its own":  {client: worker, path: "/v3/kv/range", body: rangeOf(ownState), status: 200},
		"worker reads another":  {client: worker, path: "/v3/kv/range", body: rangeOf(otherState), status: 403, words: "worker " + machineB + " may not read key"},
		"worker lists leases":   {client: worker, path: "/v3/lease/leases", body: `{}`, status: 403, words: "worker " + machineB + " may not call"},
		"member reads ours":     {client: member, path: "/v3/kv/range", body: rangeOf(otherState), status: 200},
		"member lists users":    {client: member, path: "/v3/auth/user/list", body: `{}`, status: 200, words: `"viewer"`},
		"a token changes none":  {client: local, path: "/v3/kv/range", body: rangeOf("a"), status: 200, name1: "Authorization", said1: "root.1"},
		"a claim to be another": {client: local, path: "/v3/kv/range", body: rangeOf(otherState), status: 403, name1: "Grpc-Metadata-Argosy-User", said1: "root"},
		"a claim in other case": {client: local, path: "/v3/kv/range", body: rangeOf(otherState), status: 403, name1: "grpc-metadata-aRgosy-uSer", said1: "root"},
		"nonsense":              {client: local, path: "/v3/kv/range", body: `{"key":`, status: 400},
	} {
		var headers []string
		if c.name1 != "" {
			headers = []string{c.name1, c.said1}
		}
		if status, answer := w.ask(c.client, "POST", c.path, c.body, headers...); status != c.status || !strings.Contains(answer, c.words) {
			t.Errorf("%s: %d %s; want %d with %q", name, status, answer, c.status, c.words)
		}
	}
}

// TestAWatchAsJSON is open until its caller is revoked, by POST and by websocket.
func TestAWatchAsJSON(t *testing.T) {
	w := begin(t, nil)
	w.shut()
	local := w.curl(asLocal)
	request := fmt.Sprintf(`{"create_request":{"key":%q}}`, base64Of("a"))
	posted, err := local.Post("https://"+w.address+"/v3/watch", "application/json", strings.NewReader(request))
	w.must(err)
	defer posted.Body.Close()
	lines := bufio.NewScanner(posted.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"created":true`) {
		t.Fatalf("the watch begins with %q, %v", lines.Text(), lines.Err())
	}
	dialer := websocket.Dialer{TLSClientConfig: w.tls(asLocal)}
	socket, response, err := dialer.DialContext(t.Context(), "wss://"+w.address+"/v3/watch", nil)
	w.must(err)
	defer response.Body.Close()
	defer socket.Close()
	w.must(socket.WriteMessage(websocket.TextMessage, []byte(request)))
	if _, text, err := socket.ReadMessage(); err != nil || !bytes.Contains(text, []byte(`"created":true`)) {
		t.Fatalf("the watch on a websocket begins with %s, %v", text, err)
	}
	_, err = w.member.Client.Put(t.Context(), "a", "b")
	w.must(err)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"value":"Yg=="`) {
		t.Errorf("the watch tells %q, %v", lines.Text(), lines.Err())
	}
	if _, text, err := socket.ReadMessage(); err != nil || !bytes.Contains(text, []byte(`"value":"Yg=="`)) {
		t.Errorf("the websocket tells %s, %v", text, err)
	}
	w.revoke("machine/"+machineA, 1)
	if lines.Scan() {
		t.Errorf("the watch goes on with %q", lines.Text())
	}
	if _, text, err := socket.ReadMessage(); err == nil {
		t.Errorf("the websocket goes on with %s", text)
	}
}

func (w *world) revoke(subject string, least uint64) {
	w.Helper()
	_, err := w.member.Client.Put(w.Context(), revokedFolder+subject, fmt.Sprintf(`{"least":%d,"by":"ann"}`, least))
	w.must(err)
}

func TestRequestsThatAreNoCalls(t *testing.T) {
	w := begin(t, map[string]http.Handler{"/v2/keys/": say("keys"), "/v2/members": say("members"), "/v2/auth/": say("auth")})
	w.shut()
	_, err := w.member.Client.Put(t.Context(), peopleFolder+"vera", `{"role":"viewer"}`)
	w.must(err)
	clients := map[string]*http.Client{"local": w.curl(asLocal), "worker": w.curl(asWorker), "member": w.curl(asMember), "viewer": w.curl(person("vera"))}
	w.until("vera is known", func() error {
		if status, answer := w.ask(clients["viewer"], "GET", "/version", ""); status != 200 {
			return fmt.Errorf("%d %s", status, answer)
		}
		return nil
	})
	for _, c := range []struct{ who, method, path, want string }{
		{"local", "GET", "/health", `200 {"health":"true"`}, {"worker", "GET", "/health", `200 {"health":"true"`},
		{"local", "GET", "/version", `200 {"etcdserver":"3.7`},
		{"local", "GET", "/metrics", "200 # HELP"},
		{"worker", "GET", "/metrics", "403 worker " + machineB + " may not ask GET /metrics: a worker reads its placements"},
		{"local", "GET", "/debug/vars", "403"}, {"member", "GET", "/debug/vars", "200"},
		{"local", "GET", "/nothing", "404"},
		{"local", "PUT", "/v2/keys/a", "200 keys PUT"}, {"viewer", "GET", "/v2/keys/a", "200 keys GET"},
		{"viewer", "PUT", "/v2/keys/a", `403 {"errorCode":110,"message":"The request requires user authentication","cause":"person vera may not ask PUT /v2/keys/a: a viewer looks, and changes nothing","index":0}`},
		{"worker", "GET", "/v2/keys/a", `403 {"errorCode":110,`},
		{"local", "POST", "/v2/members", `403 {"errorCode":110,`}, {"member", "POST", "/v2/members", "200 members POST"},
		{"local", "GET", "/v2/members", "200 members GET"},
		{"local", "PUT", "/v2/auth/users", "200 auth PUT"},
	} {
		code, answer := w.ask(clients[c.who], c.method, c.path, "")
		if got := fmt.Sprintf("%d %s", code, answer); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s asks %s %s: %.300s; want %s", c.who, c.method, c.path, got, c.want)
		}
	}
}

// TestARevokedWorkerIsOut has open what a worker has, and another machine's beside it.
func TestARevokedWorkerIsOut(t *testing.T) {
	w := begin(t, nil)
	w.shut()
	worker, member := w.client(asWorker), w.client(asMember)
	watching := worker.Watch(t.Context(), ownPlacement, clientv3.WithCreatedNotify())
	<-watching
	others := member.Watch(t.Context(), ownPlacement, clientv3.WithCreatedNotify())
	<-others
	_, err := worker.Get(t.Context(), ownState)
	w.must(err)
	calm, err := tls.Dial("tcp", w.address, w.tls(asWorker))
	w.must(err)
	defer calm.Close()
	_, err = io.WriteString(calm, "GET /health HTTP/1.1\r\nHost: etcd\r\n\r\n")
	w.must(err)
	answers := bufio.NewReader(calm)
	response, err := http.ReadResponse(answers, nil)
	w.must(err)
	_, err = io.Copy(io.Discard, response.Body)
	w.must(errors.Join(err, response.Body.Close()))

	w.revoke("machine/"+machineB, 1)
	if _, err := answers.ReadByte(); err == nil {
		t.Error("a connection on which nothing is asked tells something")
	}
	for response := range watching { // it goes on trying, and is refused
		if err := response.Err(); err != nil {
			refused(t, "the open watch", err, "generation 0")
		}
	}
	_, err = worker.Get(t.Context(), ownState)
	refused(t, "a new call", err, "the certificate of worker "+machineB+" is revoked: it has generation 0, and 1 is the least that is taken since ann revoked the others; 'argosy join' gets this machine a new one")
	if status, answer := w.ask(w.curl(asWorker), "GET", "/health", ""); status != 403 || !strings.Contains(answer, "is revoked") {
		t.Errorf("/health: %d %s", status, answer)
	}
	again := asWorker
	again.Generation = 1
	if _, err := w.client(again).Get(t.Context(), ownState); err != nil {
		t.Errorf("joined again: %v", err)
	}
	_, err = member.Put(t.Context(), ownPlacement, "x")
	w.must(err)
	if response := <-others; len(response.Events) != 1 {
		t.Errorf("another machine's watch tells %+v", response)
	}
}

// TestAPersonsRoleHoldsAtOnce changes what somebody may do while they are there.
func TestAPersonsRoleHoldsAtOnce(t *testing.T) {
	w := begin(t, nil)
	w.shut()
	ann := w.client(person("ann"))
	_, err := ann.Get(t.Context(), "a")
	refused(t, "without an account", err, "person ann has a certificate and no account")
	account := func(text string) {
		t.Helper()
		_, err := w.member.Client.Put(t.Context(), peopleFolder+"ann", text)
		w.must(err)
	}
	get := func() error { _, err := ann.Get(t.Context(), otherState); return err }
	account(`{"role":"admin"}`)
	w.until("ann is an admin", get)
	watching := ann.Watch(t.Context(), otherState, clientv3.WithCreatedNotify())
	<-watching
	account(`{"role":"viewer"}`)
	if response, open := <-watching; open && response.Err() == nil {
		t.Errorf("the admin's watch tells %+v", response)
	}
	refused(t, "as a viewer", get(), "permission denied")
	account(`{"role":"king"}`)
	w.until("nonsense is no account", func() error {
		if status.Code(get()) == codes.PermissionDenied && strings.Contains(get().Error(), "no account") {
			return nil
		}
		return get()
	})
	if err := <-w.faults; !strings.Contains(err.Error(), `read /argosy/v1/people/ann: "king" is no role`) {
		t.Errorf("reported: %v", err)
	}
	_, err = w.member.Client.Put(t.Context(), revokedFolder+"machine/"+machineB, "nonsense")
	w.must(err)
	worker := w.client(asWorker)
	w.until("nonsense revokes all", func() error {
		if _, err := worker.Get(t.Context(), ownState); status.Code(err) != codes.PermissionDenied {
			return fmt.Errorf("it gets %v", err)
		}
		return nil
	})
}

func TestStrangers(t *testing.T) {
	w := begin(t, nil)
	plainly, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.address)
	w.must(err)
	defer plainly.Close()
	_, err = io.WriteString(plainly, "GET /health HTTP/1.0\r\n\r\n")
	w.must(err)
	if text, _ := io.ReadAll(plainly); !strings.HasPrefix(string(text), "HTTP/1.0 400") {
		t.Errorf("in plain text: %q", text)
	}
	config := w.tls(asLocal)
	nameless := config.Clone()
	nameless.GetClientCertificate = nil
	if err := shake(w.address, nameless); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %v", err)
	}
	old := config.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if err := shake(w.address, old); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("with TLS 1.2: %v", err)
	}
	foreign, err := authority.Create(t.TempDir())
	w.must(err)
	certPEM, keyPEM, err := foreign.Issue(asMember, []string{"core"})
	w.must(err)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	w.must(err)
	other := config.Clone()
	other.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	if err := shake(w.address, other); err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Errorf("of another authority: %v", err)
	}
}

// shake makes a connection and waits for the other side's opinion of it.
func shake(address string, config *tls.Config) error {
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c, "GET /version HTTP/1.0\r\n\r\n")
	_, more := io.ReadAll(c)
	return errors.Join(err, more, c.Close())
}

// TestAConnectionThatNobodyHas is the law that a request without one is nobody's.
func TestAConnectionThatNobodyHas(t *testing.T) {
	f := &front{}
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "POST", "/v3/kv/range", nil))
	var said struct {
		Code    codes.Code
		Message string
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &said); err != nil || answer.Code != 403 || said.Code != codes.PermissionDenied || said.Message != "nobody asks: there is no connection" {
		t.Errorf("%d %s, %v", answer.Code, answer.Body, err)
	}
	if _, err := judge(context.Background(), "/etcdserverpb.KV/Range", nil); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a call of nobody's: %v", err)
	}
	if _, err := vouchedFor(context.Background()); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a call as JSON of nobody's: %v", err)
	}
}

// TestARetiredAuthorityIsOut: what was begun with a certificate of an authority that is
// not trusted any more ends with the next handshake of anybody, and nothing else does.
func TestARetiredAuthorityIsOut(t *testing.T) {
	w := begin(t, nil)
	shows := func(config *tls.Config) *tls.Conn {
		connection, err := tls.Dial("tcp", w.address, config)
		w.must(err)
		t.Cleanup(func() { _ = connection.Close() })
		return connection
	}
	asks := func(connection *tls.Conn) error {
		w.must(connection.SetDeadline(time.Now().Add(patience)))
		if _, err := io.WriteString(connection, "GET /version HTTP/1.1\r\nHost: etcd\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(answer.Body)
		return errors.Join(err, answer.Body.Close())
	}
	former := w.tls(asLocal)
	before := shows(former)
	w.must(asks(before))

	signer, own := w.authority, w.authority.Certificate()
	newest, err := authority.Create(t.TempDir())
	w.must(err)
	bundle := func(text []byte) {
		w.must(os.WriteFile(w.file("ca.crt.new"), text, 0o600))
		w.must(os.Rename(w.file("ca.crt.new"), w.file("ca.crt")))
	}
	bundle(append(own, newest.Certificate()...))
	w.authority = newest
	next := w.tls(asMember) // which trusts both
	w.authority = signer
	after := shows(next)
	w.must(errors.Join(asks(after), asks(before)))

	bundle(newest.Certificate())
	w.must(asks(shows(next)))
	w.must(before.SetDeadline(time.Now().Add(patience)))
	if _, err := before.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection of the former authority: %v", err)
	}
	w.must(asks(after))
	if late, err := tls.Dial("tcp", w.address, former); err == nil {
		if err := asks(late); err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
			t.Errorf("a new connection of the former authority: %v", err)
		}
		_ = late.Close()
	}
}
