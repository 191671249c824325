package httpapi

import (
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// deadAfter is how long another machine may leave sent bytes unacknowledged before
// the connection counts as dead. Without it the kernel sends a request on a kept
// connection to a machine that was cut off again at ever longer pauses, also when
// that machine has long been back.
const deadAfter = 2 * time.Second

// peerDialer makes the connections to other machines' APIs. The kernel probes the
// quiet ones, which wakes no process.
func peerDialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         deadAfter,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second},
		Control:         limitSilence,
	}
}

// limitSilence has a connection end over bytes that nobody acknowledges (tcp(7),
// TCP_USER_TIMEOUT).
func limitSilence(network, _ string, raw syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
