package etcdnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"argosy/core/access"
)

// conn is a client's connection. Who it is stands from its handshake on.
type conn struct {
	net.Conn
	front *front

	// Guarded by front.mutex.
	shown   *x509.Certificate
	who     access.Identity
	unknown error            // why it is nobody that is known
	user    access.StoreUser // as whom it was let in; empty where it was refused
}

type connKey struct{}

// withConnection lets a request be told by whose connection it came.
func withConnection(ctx context.Context, made net.Conn) context.Context {
	secured, is := made.(*tls.Conn)
	if !is {
		return ctx
	}
	if c, is := secured.NetConn().(*conn); is {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

type trackedListener struct {
	net.Listener
	front *front
}

func (l *trackedListener) Accept() (net.Conn, error) {
	made, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: made, front: l.front, unknown: errors.New("nobody asks: there was no handshake")}, nil
}

// Close forgets the connection too.
func (c *conn) Close() error {
	c.front.mutex.Lock()
	delete(c.front.open, c)
	c.front.mutex.Unlock()
	return c.Conn.Close()
}

// greet is the TLS configuration of one handshake: the guard's, as it is now, and
// it notes who is there.
func (f *front) greet(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	now := f.guard.TLS
	if now.GetConfigForClient != nil {
		own, err := now.GetConfigForClient(hello)
		if err != nil {
			return nil, err
		}
		if own != nil {
			now = own
		}
	}
	now = now.Clone()
	now.GetConfigForClient = nil
	now.NextProtos = []string{"h2", "http/1.1"}
	now.SessionTicketsDisabled = true // each handshake shows a certificate
	trusted := now.ClientCAs
	f.expect(trusted)
	if c, is := hello.Conn.(*conn); is {
		now.VerifyConnection = func(state tls.ConnectionState) error { c.introduce(state, trusted); return nil }
	}
	return now, nil
}

// expect ends the connections of those whose certificate is of an authority that is not
// trusted any more. A handshake is when that is seen: fleetd, which replaces the file,
// starts anew then and shakes hands here.
func (f *front) expect(trusted *x509.CertPool) {
	f.mutex.Lock()
	var open []*conn
	if f.trusted != nil && f.trusted != trusted && !f.trusted.Equal(trusted) {
		open = slices.Collect(maps.Keys(f.open))
	}
	f.trusted = trusted
	f.mutex.Unlock()
	for _, c := range open {
		if !issued(trusted, c.shown) {
			_ = c.Close()
		}
	}
}

// issued says whether one of the authorities has issued a certificate, whatever the
// time is: that was judged at the handshake.
func issued(trusted *x509.CertPool, certificate *x509.Certificate) bool {
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots: trusted, CurrentTime: certificate.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}

// introduce notes who has shown a certificate that the authority has issued. Who is
// not let in is told so at the first request, in words, for which there is no room
// in a handshake.
func (c *conn) introduce(state tls.ConnectionState, trusted *x509.CertPool) {
	err := errors.New("nobody asks: no certificate was shown")
	var who access.Identity
	var shown *x509.Certificate
	if len(state.PeerCertificates) > 0 {
		shown = state.PeerCertificates[0]
		who, err = c.front.guard.IdentityOf(shown)
	}
	c.front.mutex.Lock()
	defer c.front.mutex.Unlock()
	if now := c.front.trusted; err == nil && now != trusted && !issued(now, shown) { // it was trusted when the handshake began
		err = fmt.Errorf("the authority that issued the certificate of %s is not trusted any more", who)
	}
	c.shown, c.who, c.unknown, c.user = shown, who, err, ""
	if err == nil {
		c.user, err = c.front.register.StoreUser(who)
	}
	if err != nil {
		time.AfterFunc(refusedFor, func() { _ = c.Conn.Close() })
		return
	}
	c.front.open[c] = struct{}{}
}

// learn goes by a new register. Who was let in as somebody else than they are now,
// or is to be out, loses the connection, and with it all that is open in it: watches,
// leases that are kept alive, answers under way.
func (f *front) learn(register access.Register) {
	f.mutex.Lock()
	f.register = register
	var ended []*conn
	for c := range f.open {
		if user, err := register.StoreUser(c.who); err != nil || user != c.user {
			ended = append(ended, c)
		}
	}
	f.mutex.Unlock()
	for _, c := range ended {
		_ = c.Close()
	}
}
