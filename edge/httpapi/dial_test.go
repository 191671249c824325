package httpapi

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPeersAreNotWaitedForInSilence has the kernel end a connection to another
// machine over bytes that it does not acknowledge.
func TestPeersAreNotWaitedForInSilence(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	connection, err := peerDialer().DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	raw, err := connection.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if controlErr := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); controlErr != nil {
		t.Fatal(controlErr)
	}
	if want := int(deadAfter.Milliseconds()); err != nil || got != want {
		t.Errorf("it may be silent for %d ms (%v), want %d", got, err, want)
	}
}
