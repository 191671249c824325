package etcdnode

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSilenceIsBounded has both ends of a connection to a peer bounded, and no
// other connection.
func TestSilenceIsBounded(t *testing.T) {
	for name, by := range map[string]struct{ local, remote bool }{
		"neither end": {}, "who listens": {local: true}, "who dials": {remote: true},
	} {
		t.Run(name, func(t *testing.T) {
			dialed, accepted := pair(t)
			port := map[int]bool{dialed.RemoteAddr().(*net.TCPAddr).Port: true}
			var local, remote map[int]bool
			if by.local {
				local = port
			}
			if by.remote {
				remote = port
			}
			found := limitSilence(local, remote)
			if !found.stand() {
				t.Error("a connection that stands is said to have ended")
			}
			for _, end := range []struct {
				name    string
				of      *net.TCPConn
				bounded bool
			}{{"dialed", dialed, by.remote}, {"accepted", accepted, by.local}} {
				want := 0
				if end.bounded {
					want = int(peerSilence.Milliseconds())
				}
				if got := option(t, end.of, unix.TCP_USER_TIMEOUT); got != want {
					t.Errorf("the %s end may be silent for %d ms, want %d", end.name, got, want)
				}
				if got := option(t, end.of, unix.TCP_KEEPIDLE); (got == int(probePeers.Seconds())) != end.bounded {
					t.Errorf("the %s end is probed after %d s of quiet, bounded: %t", end.name, got, end.bounded)
				}
			}
		})
	}
}

// TestEndOfConnectionIsNoticed ends a connection, and has another one take its number.
func TestEndOfConnectionIsNoticed(t *testing.T) {
	dialed, _ := pair(t)
	found := limitSilence(nil, map[int]bool{dialed.RemoteAddr().(*net.TCPAddr).Port: true})
	if len(found) != 1 || !found.stand() {
		t.Fatalf("%d connections are known, standing: %t", len(found), found.stand())
	}
	if err := dialed.Close(); err != nil {
		t.Fatal(err)
	}
	if found.stand() {
		t.Error("its end is not noticed")
	}
	pair(t)
	if found.stand() {
		t.Error("its end is not noticed where others have come")
	}
}

func pair(t testing.TB) (dialed, accepted *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

func option(t *testing.T, of *net.TCPConn, which int) (value int) {
	t.Helper()
	raw, err := of.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if controlErr := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, which) }); controlErr != nil {
		t.Fatal(controlErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// BenchmarkLook looks for one connection to a peer among ten thousand others, and
// asks whether the one that is known still stands.
func BenchmarkLook(b *testing.B) {
	const others = 10_000
	need := unix.Rlimit{Cur: 2 * others, Max: 2 * others}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &need); err != nil {
		b.Fatal(err)
	}
	for range others / 2 {
		pair(b)
	}
	peer, _ := pair(b)
	ports := map[int]bool{peer.RemoteAddr().(*net.TCPAddr).Port: true}
	known := limitSilence(nil, ports)
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			limitSilence(nil, ports)
		}
	})
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			if !known.stand() {
				b.Fatal("the connection has ended")
			}
		}
	})
}
