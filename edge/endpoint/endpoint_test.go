package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"argosy/core/access"
	"argosy/edge/authority"
)

// pki is an authority with a client's and a server's TLS.
type pki struct{ client, server *tls.Config }

func newPKI(t *testing.T) pki {
	t.Helper()
	dir := t.TempDir()
	a, err := authority.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	load := func(name string, kind access.Kind, load func(a, c, k string) (*tls.Config, error)) *tls.Config {
		certPEM, keyPEM, err := a.Issue(access.Identity{Kind: kind, Name: name}, []string{"127.0.0.1"})
		cert, key := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
		if err := errors.Join(err, os.WriteFile(cert, certPEM, 0o600), os.WriteFile(key, keyPEM, 0o600)); err != nil {
			t.Fatal(err)
		}
		config, err := load(filepath.Join(dir, authority.CertificateFile), cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	return pki{
		client: load("local", access.Local, authority.LoadClient),
		server: load("core-01", access.Member, authority.LoadServer),
	}
}

// member answers each connection over TLS with what serve does, and returns where.
func (p pki) member(t *testing.T, serve func(*tls.Conn)) string {
	t.Helper()
	config := p.server
	config.NextProtos = []string{http2, http1}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				if server := connection.(*tls.Conn); server.Handshake() == nil {
					serve(server)
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// relayTo runs a relay until the test ends and returns where it listens.
func relayTo(t *testing.T, config Config) string {
	t.Helper()
	if config.Listeners == nil {
		listeners, err := Listen(t.Context(), []string{"127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		config.Listeners = listeners
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- Run(ctx, config) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return config.Listeners[0].Addr().String()
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection.(*net.TCPConn)
}

// say sends text, says that this was all, and returns the answer.
func say(t *testing.T, address, text string) string {
	t.Helper()
	connection := dial(t, address)
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	if err := connection.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// echo says who called, by which protocol and what, once the caller has said all.
func echo(c *tls.Conn) {
	said, _ := io.ReadAll(c)
	state := c.ConnectionState()
	_, _ = io.WriteString(c, state.PeerCertificates[0].Subject.CommonName+" "+state.NegotiatedProtocol+" "+string(said))
}

func TestRelays(t *testing.T) {
	p := newPKI(t)
	socket := filepath.Join(t.TempDir(), "s")
	listeners, err := Listen(t.Context(), []string{"127.0.0.1:0", "unix:" + socket})
	if err != nil {
		t.Fatal(err)
	}
	address := relayTo(t, Config{Members: []string{p.member(t, echo)}, TLS: p.client, Listeners: listeners})
	large := strings.Repeat("0123456789", 100_000)
	for said, want := range map[string]string{
		"GET /version":  "local http/1.1 GET /version",
		"P":             "", // less than a request: the client left
		"PUT /v2/keys":  "local http/1.1 PUT /v2/keys",
		"PRI * HTTP/2":  "local h2 PRI * HTTP/2",
		"":              "",
		"POST " + large: "local http/1.1 POST " + large,
	} {
		if got := say(t, address, said); got != want {
			t.Errorf("said %.20q, heard %.60q, want %.60q", said, got, want)
		}
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "GET /")
	_ = connection.(*net.UnixConn).CloseWrite()
	if got, err := io.ReadAll(connection); err != nil || string(got) != "local http/1.1 GET /" {
		t.Errorf("through the socket: %q, %v", got, err)
	}
}

func TestFailsOver(t *testing.T) {
	p := newPKI(t)
	refused := vacant(t)
	// A port that is open, but nobody shakes hands: an etcd that waits for the others.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	stranger := newPKI(t).member(t, echo) // of another authority
	good := p.member(t, echo)
	var mutex sync.Mutex
	lost := map[string]error{}
	address := relayTo(t, Config{
		Members: []string{refused, mute.Addr().String(), stranger, good}, TLS: p.client,
		Changed: func(member string, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			lost[member] = err
		},
	})
	for range 4 { // whoever's turn it is
		if got := say(t, address, "GET /"); got != "local http/1.1 GET /" {
			t.Fatalf("heard %q", got)
		}
	}
	mutex.Lock()
	defer mutex.Unlock()
	if lost[refused] == nil || lost[mute.Addr().String()] == nil || lost[stranger] == nil || lost[good] != nil {
		t.Errorf("lost: %v", lost)
	}
}

func TestNobodyAnswers(t *testing.T) {
	p := newPKI(t)
	member := vacant(t)
	address := relayTo(t, Config{Members: []string{member}, TLS: p.client})
	response, err := http.Get("http://" + address + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), member) {
		t.Errorf("curl is told %d %q", response.StatusCode, text)
	}
	if got := say(t, address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); got != "" {
		t.Errorf("a gRPC client is told %q", got)
	}
}

// TestMemberRefusesUs has a certificate that the member does not accept, which a
// client with TLS 1.3 hears of only after the handshake.
func TestMemberRefusesUs(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	wrong := other.client.Clone()
	wrong.RootCAs = p.client.RootCAs
	told := make(chan error, 10)
	address := relayTo(t, Config{Members: []string{p.member(t, echo)}, TLS: wrong, Changed: func(_ string, err error) { told <- err }})
	connection := dial(t, address)
	_, _ = io.WriteString(connection, "GET /")
	if got, _ := io.ReadAll(connection); len(got) > 0 {
		t.Errorf("heard %q", got)
	}
	if err := <-told; err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("told %v", err)
	}
}

func TestMemberDies(t *testing.T) {
	p := newPKI(t)
	address := relayTo(t, Config{TLS: p.client, Members: []string{p.member(t, func(c *tls.Conn) {
		_, _ = io.WriteString(c, "begin")
		_ = c.NetConn().(*net.TCPConn).SetLinger(0) // as the kernel of a killed process
		_ = c.NetConn().Close()
	})}})
	connection := dial(t, address)
	_, _ = io.WriteString(connection, "PRI ")
	// What the member said before may be lost with it; the connection must end.
	if got, err := io.ReadAll(connection); !bytes.HasPrefix([]byte("begin"), got) {
		t.Errorf("heard %q, %v", got, err)
	}
}

func TestClientDies(t *testing.T) {
	p := newPKI(t)
	heard, ended := make(chan bool), make(chan error, 1)
	address := relayTo(t, Config{TLS: p.client, Members: []string{p.member(t, func(c *tls.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 4))
		close(heard)
		_, err := io.Copy(io.Discard, c)
		ended <- err
	})}})
	connection := dial(t, address)
	_, _ = io.WriteString(connection, "PRI ")
	<-heard
	_ = connection.SetLinger(0)
	_ = connection.Close()
	<-ended // the member is told
}

func TestStopEndsConnections(t *testing.T) {
	p := newPKI(t)
	listeners, err := Listen(t.Context(), []string{"127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	member := p.member(t, func(c *tls.Conn) { _, _ = io.Copy(c, c) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Run(ctx, Config{Members: []string{member}, TLS: p.client, Listeners: listeners}) }()
	busy, silent := dial(t, listeners[0].Addr().String()), dial(t, listeners[0].Addr().String())
	_, _ = io.WriteString(busy, "PRI ")
	if _, err := io.ReadFull(busy, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for name, connection := range map[string]net.Conn{"busy": busy, "silent": silent} {
		if _, err := connection.Read(make([]byte, 1)); err == nil {
			t.Errorf("the %s connection is open", name)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	p := newPKI(t)
	address := relayTo(t, Config{TLS: p.client, Connections: 1, Members: []string{p.member(t, func(c *tls.Conn) { _, _ = io.Copy(c, c) })}})
	first, second := dial(t, address), dial(t, address)
	heard := make(chan error, 1)
	exchange := func(c net.Conn) error {
		_, _ = io.WriteString(c, "PRI ")
		_, err := io.ReadFull(c, make([]byte, 4))
		return err
	}
	if err := exchange(first); err != nil {
		t.Fatal(err)
	}
	go func() { heard <- exchange(second) }()
	if err := exchange(first); err != nil { // round trips in which the second got none
		t.Fatal(err)
	}
	if len(heard) > 0 {
		t.Fatal("two connections were served")
	}
	_ = first.Close()
	if err := <-heard; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	listener, err := net.Listen("unix", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"nowhere", "127.0.0.1:x", "unix:" + taken, "unix:" + plain, "unix:" + filepath.Join(dir, "no", "s")} {
		if _, err := Listen(t.Context(), []string{"127.0.0.1:0", address}); err == nil || !strings.Contains(err.Error(), "listen at "+address) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if text, err := os.ReadFile(plain); err != nil || string(text) != "kept" {
		t.Errorf("a plain file in the way: %q, %v", text, err)
	}
	if err := Run(t.Context(), Config{}); err == nil {
		t.Error("a relay to nobody ran")
	}
}

func TestListenTakesOverAnAbandonedSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false) // as SIGKILL leaves it
	_ = old.Close()
	listeners, err := Listen(t.Context(), []string{"unix:" + socket})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeAll(listeners) }()
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("the socket: %v, %v", info, err)
	}
}

// vacant is an address where nothing listens.
func vacant(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// FuzzProtocol checks what a connection is taken for against the rule itself, and
// that peeking loses nothing however the bytes arrive.
func FuzzProtocol(f *testing.F) {
	for _, first := range []string{"", "P", "PR", "PRI", "PRI ", "PRIX", "PUT /", "GET /", "\x16\x03\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		f.Add([]byte(first))
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		want := http1
		if len(first) >= 4 && string(first[:4]) == "PRI " {
			want = http2
		}
		reader := bufio.NewReader(iotest.OneByteReader(bytes.NewReader(first)))
		got, err := peek(reader)
		if err == nil && got != want {
			t.Errorf("%q is taken for %s", first, got)
		}
		if undecided := bytes.HasPrefix(preface, first) && len(first) < len(preface); undecided != (err != nil) {
			t.Errorf("%q: %v", first, err)
		}
		if rest, _ := io.ReadAll(reader); !bytes.Equal(rest, first) {
			t.Errorf("%q became %q", first, rest)
		}
	})
}
