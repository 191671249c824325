package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silence is how long an established connection to a member may go unanswered
// before the kernel ends it. Without it, a machine that vanished from the network
// is waited for during a quarter of an hour.
const silence = 10 * time.Second

// upstream is a connection to a member.
type upstream interface {
	net.Conn
	CloseWrite() error
}

// abandon ends a connection without a word, which TLS would wait to get through.
func abandon(member upstream) {
	if secured, ok := member.(*tls.Conn); ok {
		_ = secured.NetConn().Close()
		return
	}
	_ = member.Close()
}

type dialer struct {
	config      *tls.Config           // nil for members in plain text
	authorities func() *x509.CertPool // nil for those of config
	timeout     time.Duration
}

// dial connects to a member and shakes hands, so that a member whose port is open
// but which does not serve yet counts as not reached.
func (d dialer) dial(ctx context.Context, address, protocol string) (upstream, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: silence / 5, Count: 2},
		Control:         limitSilence,
	}
	if d.config == nil {
		connection, err := plain.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return connection.(*net.TCPConn), nil
	}
	config := d.config.Clone()
	config.NextProtos = []string{protocol}
	if d.authorities != nil {
		config.RootCAs = d.authorities()
	}
	connection, err := (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return connection.(*tls.Conn), nil
}

// limitSilence also ends connections with unacknowledged data, which keepalives
// alone do not (tcp(7), TCP_USER_TIMEOUT).
func limitSilence(_, _ string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}
