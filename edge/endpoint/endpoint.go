// Package endpoint is the way to the store for plain programs on a machine: a
// relay from 127.0.0.1:2379 and a unix socket, in plain text, to one of the
// members' TLS ports, with a certificate of its own. Each connection goes to one
// member and stays there; when that member dies the connection ends, and the
// client's next one reaches another.
//
// It reads no request. It only looks at a connection's first four bytes, because
// TLS must say before the first request whether HTTP/2 (gRPC) or HTTP/1 follows.
package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Defaults of Config.
const (
	DialTimeout = time.Second
	Connections = 4096
)

// Config is what Run needs.
type Config struct {
	Members   []string       // host:port of each member's port for clients
	Listeners []net.Listener // Listen makes them; Run closes them
	TLS       *tls.Config    // with the client's certificate; the server's name is each member's host; nil where members speak plain text
	// Authorities, if set, are those that a member's certificate is to be of, asked for
	// with each connection: they are replaced now and then.
	Authorities func() *x509.CertPool

	// DialTimeout is how long a member has to accept a connection and shake
	// hands before the next one is tried; 0 means the default.
	DialTimeout time.Duration
	// Connections is how many may be open; more wait in the listener's queue until
	// one ends, or has been quiet for a while. 0 means the default.
	Connections int

	// Updates says who the members are from now on, where they change; may be nil.
	Updates <-chan []string

	// Changed is told when a member cannot be reached any more, and why, and
	// (nil) when it can again; never two at once. It may be nil.
	Changed func(member string, err error)
}

// Run relays until ctx ends, then ends every connection and returns nil. It
// returns an error when a listener breaks.
func Run(ctx context.Context, config Config) error {
	if len(config.Members) == 0 {
		return errors.Join(errors.New("relay to the store: no member is named"), closeAll(config.Listeners))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &relay{
		members: newMembers(config.Members, config.Changed),
		dialer:  dialer{config: config.TLS, authorities: config.Authorities, timeout: orDefault(config.DialTimeout, DialTimeout)},
		room:    newRoom(orDefault(config.Connections, Connections)),
	}
	var group sync.WaitGroup
	broken := make(chan error, len(config.Listeners))
	for _, listener := range config.Listeners {
		context.AfterFunc(ctx, func() { _ = listener.Close() }) // ends Accept
		group.Go(func() { broken <- r.accept(ctx, listener) })
	}
	group.Go(func() { r.members.follow(ctx, config.Updates) })
	var err error
	for range config.Listeners {
		if err = <-broken; err != nil {
			break
		}
	}
	cancel()
	group.Wait()
	r.connections.Wait()
	return err
}

type relay struct {
	members     *members
	dialer      dialer
	room        *room
	connections sync.WaitGroup
}

// acceptPause is how long accept waits where the process or machine is out of
// files, which only the end of a connection cures.
const acceptPause = 50 * time.Millisecond

func (r *relay) accept(ctx context.Context, listener net.Listener) error {
	defer listener.Close()
	for {
		client, err := listener.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case outOfFiles(err):
			pause(ctx, acceptPause)
			continue
		default:
			return fmt.Errorf("relay to the store: accept a connection at %s: %w", listener.Addr(), err)
		}
		placed, ok := r.room.take(ctx, client)
		if !ok {
			_ = client.Close()
			return nil
		}
		r.connections.Go(func() {
			defer r.room.leave(placed)
			r.serve(ctx, placed)
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func orDefault[T time.Duration | int](value, fallback T) T {
	if value == 0 {
		return fallback
	}
	return value
}

func closeAll(listeners []net.Listener) error {
	var err error
	for _, listener := range listeners {
		err = errors.Join(err, listener.Close())
	}
	return err
}
