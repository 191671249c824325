package httpapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
)

// pipes is a listener in memory, whose clients are programs of this machine.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return openConn{conn}, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that sends a byte a second for ever is ended in time: in its header, in a
// body that is read, and in one that nobody reads.
func TestSlowClientsAreEnded(t *testing.T) {
	const length = "Content-Length: 100000\r\n\r\n"
	for what, c := range map[string]struct {
		begins string
		within time.Duration
	}{
		"a header":              {"GET /fleet/v2/machines HTTP/1.1\r\nHost: fleet\r\nX: ", 12 * time.Second},
		"a body":                {"PUT /fleet/v2/units/web.service HTTP/1.1\r\nHost: fleet\r\nContent-Type: application/json\r\n" + length, bodyTime + 5*time.Second},
		"a body of no JSON":     {"PUT /fleet/v2/units/web.service HTTP/1.1\r\nHost: fleet\r\n" + length, bodyTime + 5*time.Second},
		"a body for a list":     {"GET /fleet/v2/machines HTTP/1.1\r\nHost: fleet\r\n" + length, bodyTime + 5*time.Second},
		"a body for nobody":     {"PUT /nothing HTTP/1.1\r\nHost: fleet\r\n" + length, bodyTime + 5*time.Second},
		"a body without a size": {"PUT /nothing HTTP/1.1\r\nHost: fleet\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", bodyTime + 5*time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here := pipes{make(chan net.Conn), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- member(&fakeRegistry{}).Serve(ctx, here) }()
				client, server := net.Pipe()
				here.conns <- server
				began := time.Now()
				go func() { _, _ = io.Copy(io.Discard, client) }()
				_, err := io.WriteString(client, c.begins)
				for err == nil && time.Since(began) < time.Hour {
					time.Sleep(time.Second)
					_, err = io.WriteString(client, " ")
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("it was ended after %s, expected %s at most", took, c.within)
				}
				_ = client.Close()
				cancel()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A client that shows no certificate is not waited for, however it goes about it, nor
// one that has shown one and asks for nothing.
func TestSilentClientsAreEnded(t *testing.T) {
	p := newPKI(t)
	server, err := authority.LoadServer(p.issue("core-01", access.Member))
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.LoadClient(p.issue("core-02", access.Worker))
	if err != nil {
		t.Fatal(err)
	}
	client.ServerName = "127.0.0.1"
	now := time.Now() // certificates are of now, and a bubble's time is another
	server.Time, client.Time = func() time.Time { return now }, func() time.Time { return now }
	const halfHello = "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"
	for what, c := range map[string]struct {
		begin  func(net.Conn) net.Conn
		said   string
		within time.Duration
	}{
		"nothing":                     {as, "", 10 * time.Second},
		"no TLS":                      {as, "GET / HTTP/1.1\r\n", time.Second},
		"half a hello":                {as, halfHello, 10 * time.Second},
		"a handshake, and nothing":    {func(c net.Conn) net.Conn { return tls.Client(c, client) }, "", 10 * time.Second},
		"a handshake and half a head": {func(c net.Conn) net.Conn { return tls.Client(c, client) }, "GET / HTTP/1.1\r\nHo", 10 * time.Second},
		"one request":                 {func(c net.Conn) net.Conn { return tls.Client(c, client) }, "GET /healthz HTTP/1.1\r\nHost: fleet\r\n\r\n", 2 * time.Minute},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here := pipes{make(chan net.Conn), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- member(&fakeRegistry{}).Serve(ctx, tls.NewListener(here, server)) }()
				near, far := net.Pipe()
				here.conns <- far
				began := time.Now()
				conn := c.begin(near)
				if secured, is := conn.(*tls.Conn); is {
					if err := secured.HandshakeContext(ctx); err != nil {
						t.Error(err)
					}
				}
				_, _ = io.WriteString(conn, c.said) // it may be ended before all is said
				_, _ = io.Copy(io.Discard, conn)
				if took := time.Since(began); took > c.within {
					t.Errorf("it was ended after %s, expected %s at most", took, c.within)
				}
				_ = near.Close()
				cancel()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func as(c net.Conn) net.Conn { return c }

// A body that arrives leaves no deadline behind: the connection lasts.
func TestPatienceEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here := pipes{make(chan net.Conn), make(chan struct{})}
		served := make(chan error, 1)
		server := &http.Server{Handler: member(&fakeRegistry{}), ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, peer{user: "root"}) // as over the socket
		}}
		go func() { served <- server.Serve(here) }()
		client, far := net.Pipe()
		here.conns <- far
		answers := bufio.NewReader(client)
		for range 3 {
			body := `{"desired":"launched","text":"[Service]\nExecStart=/bin/true\n"}`
			_, err := io.WriteString(client, fmt.Sprintf("PUT /fleet/v2/units/web.service HTTP/1.1\r\nHost: fleet\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode/100 != 2 {
				t.Fatalf("%s: %s, %v", answer.Status, text, err)
			}
			time.Sleep(time.Minute) // longer than a body may take
		}
		_ = client.Close()
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
