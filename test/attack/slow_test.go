//go:build machines

package attack

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// many slow clients come at a time, of each sort.
	many = 200
	// drip is how often each of them says a byte.
	drip = time.Second
	// eachHolds is what one of them may cost a daemon in memory: buffers of TLS,
	// of HTTP and two goroutines.
	eachHolds = 128 << 10
	// givesUp is when a daemon has long ended those who have not said who they are.
	givesUp = 90 * time.Second
)

// slow is a way to waste a server's time.
type slow struct {
	connect func(context.Context) (net.Conn, error)
	first   string // said at once
	drip    string // said byte by byte, from the beginning again when it is over
	// bounded says that the daemon ends such a connection by itself. One that shows a
	// certificate and then idles may stay: it is counted, and can be revoked.
	bounded bool
}

// A client that never finishes its handshake, its header or its body holds up
// nobody but itself, costs little, and is ended where it has not said who it is.
func TestSlowClients(t *testing.T) {
	target.unharmed(t)
	secrets := target.secrets(t, member, "machine")
	secrets.ServerName = target.address(member)
	plain := func(port string) func(context.Context) (net.Conn, error) {
		return func(ctx context.Context) (net.Conn, error) {
			return target.dial(ctx, net.JoinHostPort(target.address(member), port))
		}
	}
	shown := func(port string) func(context.Context) (net.Conn, error) {
		return func(ctx context.Context) (net.Conn, error) {
			conn, err := plain(port)(ctx)
			if err != nil {
				return nil, err
			}
			over := tls.Client(conn, secrets)
			return over, over.HandshakeContext(ctx)
		}
	}
	pid := target.leader(t, member)
	local := func(ctx context.Context) (net.Conn, error) { return target.inside(ctx, pid, "127.0.0.1:2379") }
	// A TLS record of a client's hello, whose end never comes.
	const halfHello = "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"
	const header = "GET /fleet/v2/machines HTTP/1.1\r\nHost: there\r\nX: "
	const body = "PUT /fleet/v2/units/slow.service HTTP/1.1\r\nHost: there\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
	ways := map[string]slow{
		"the store: a body that never ends":   {connect: shown(clientPort), first: "PUT /v2/keys/slow HTTP/1.1\r\nHost: there\r\nContent-Type: " + asForm + "\r\nContent-Length: 10000\r\n\r\nvalue=", drip: "x", bounded: true},
		"the store: a header that never ends": {connect: shown(clientPort), first: "GET /v2/keys HTTP/1.1\r\nHost: there\r\nX: ", drip: "x"},
		"the API: a header that never ends":   {connect: shown(apiPort), first: header, drip: "x", bounded: true},
		"the API: a body that never ends":     {connect: shown(apiPort), first: body, drip: " ", bounded: true},
		"the relay: a header that never ends": {connect: local, first: "GET /v2/keys HTTP/1.1\r\nHost: there\r\nX: ", drip: "x"},
		"the relay: nothing":                  {connect: local},
	}
	for _, port := range append(ports, joinPort) {
		ways["port "+port+": nothing"] = slow{connect: plain(port), bounded: true}
		ways["port "+port+": a hello that never ends"] = slow{connect: plain(port), first: halfHello, drip: "\x00", bounded: true}
	}
	// etcd bounds the handshake of its members' port by the time between two bytes
	// alone: docs/internals/limits.md.
	halfPeer := "port " + peerPort + ": a hello that never ends"
	ways[halfPeer] = slow{connect: plain(peerPort), first: halfHello, drip: "\x00"}

	before := memory(t)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	ended := map[string]chan struct{}{}
	for what, way := range ways {
		all := make(chan struct{}, many)
		ended[what] = all
		for range many {
			conn, err := way.connect(ctx)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			clients.Go(func() { way.waste(ctx, conn); all <- struct{}{} })
		}
	}
	// Others are served while they are all there.
	for line, want := range map[string]string{
		"fleetctl list-machines --no-legend | wc -l": "4\n",
		"fleetctl list-units --no-legend | wc -l":    "4\n",
		"etcdctl put fast yes && etcdctl del fast":   "OK\n1\n",
		"curl -sS http://127.0.0.1:2379/v2/keys":     `{"action":"get","node":{"dir":true}}` + "\n",
	} {
		if got := target.must(t, member, "timeout 30 bash -c '"+line+"'"); got != want {
			t.Errorf("beside slow clients: %s printed %q, expected %q", line, got, want)
		}
	}
	target.must(t, worker, "timeout 30 curl -sSf --unix-socket /run/fleet.sock http://fleet/healthz && timeout 30 etcdctl get fast")
	// So are those who join, from elsewhere: one address has no more than its share.
	target.must(t, worker, "timeout 30 curl -sSk https://"+net.JoinHostPort(target.address(member), joinPort)+joining)
	connections := int64(many * len(ways))
	for daemon, now := range memory(t) {
		if grown := now - before[daemon]; grown > connections*eachHolds {
			t.Errorf("%s grew by %d KiB for %d slow clients, and may by %d", daemon, grown>>10, connections, connections*eachHolds>>10)
		}
	}
	patient, done := context.WithTimeout(ctx, givesUp)
	defer done()
	for what, way := range ways {
		for n := 0; way.bounded && n < many; n++ { // those that are over
			select {
			case <-ended[what]:
				continue
			case <-patient.Done():
			}
			if n += len(ended[what]); n < many {
				t.Errorf("%s: %d of %d are still connected after %s", what, many-n, many, givesUp)
			}
			break
		}
	}
}

// waste says a byte now and then until the other end has had enough, or ctx ends.
func (s slow) waste(ctx context.Context, conn net.Conn) {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close()
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn) // an answer is not read as one
		close(over)
	}()
	defer func() { _ = conn.Close(); <-over }()
	if _, err := io.WriteString(conn, s.first); err != nil {
		return
	}
	ticker := time.NewTicker(drip)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		case <-ticker.C:
		}
		if s.drip == "" {
			continue
		}
		if _, err := conn.Write([]byte{s.drip[n%len(s.drip)]}); err != nil {
			return
		}
	}
}

// memory is what each daemon of the member holds, in bytes.
func memory(t *testing.T) map[string]int64 {
	t.Helper()
	held := map[string]int64{}
	for _, daemon := range []string{"etcd", "fleet", "etcd-endpoint"} {
		status := target.must(t, member, "cat /proc/$(systemctl show -P MainPID "+daemon+")/status")
		_, rest, _ := strings.Cut(status, "VmRSS:")
		kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		held[daemon] = kib << 10
	}
	return held
}
