package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// firstBytesTime is how long a client may take to say something. In every
	// protocol that the store speaks, the client speaks first.
	firstBytesTime = 30 * time.Second
	// lingerTime is how long a client may go on after its member ended the
	// connection: enough to read what came, and nobody hears what it says.
	lingerTime = 5 * time.Second
	// unreadTime is how long a client may leave what its member says unread once
	// the kernel's buffers are full. Nothing else would end it: that its member
	// has given up is only seen by who reads on.
	unreadTime = time.Minute
)

// The protocols by their names in TLS (ALPN).
const (
	http1 = "http/1.1"
	http2 = "h2"
)

// preface is how a client begins HTTP/2 (RFC 9113 3.4), as far as it takes to tell
// it from every method of HTTP/1.
var preface = []byte("PRI ")

// protocol tells the protocol from the first bytes of a connection, or that it
// takes more of them.
func protocol(first []byte) (name string, known bool) {
	switch {
	case bytes.HasPrefix(first, preface):
		return http2, true
	case bytes.HasPrefix(preface, first):
		return "", false
	default:
		return http1, true
	}
}

// peek reads as little as tells the protocol, and leaves it to be read again.
func peek(reader *bufio.Reader) (string, error) {
	for n := 1; ; n++ {
		first, err := reader.Peek(n)
		if name, known := protocol(first); known {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// serve relays one connection and returns when both directions have ended.
func (r *relay) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()

	reader := bufio.NewReader(client)
	_ = client.SetReadDeadline(time.Now().Add(firstBytesTime))
	name, err := peek(reader)
	if err != nil {
		return // it left without a word
	}
	_ = client.SetReadDeadline(time.Time{})

	member, address, err := r.connect(ctx, name)
	if err != nil {
		if name == http1 && ctx.Err() == nil {
			refuse(client, reader, err)
		}
		return // a gRPC client waits and tries again when the connection just ends
	}
	defer member.Close()
	stopMember := context.AfterFunc(ctx, func() { abandon(member) })
	defer stopMember()
	if err := exchange(client, reader, member); err != nil {
		r.members.tried(address, err, time.Now())
	}
}

// exchange copies both ways. The end of one direction is passed on (half-close),
// so that a client that has said all still gets its answer. The error is the
// member's refusal: with TLS 1.3 a client learns that its certificate is not
// accepted from its first read, after the handshake.
func exchange(client net.Conn, fromClient io.Reader, member upstream) (refusal error) {
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := io.Copy(member, fromClient); err != nil {
			abandon(member) // nothing more can come of it
			return
		}
		_ = member.CloseWrite()
	})
	received, err := io.Copy(reader{client}, member)
	if err != nil {
		_ = client.Close()
	} else {
		closeWrite(client)
		_ = client.SetReadDeadline(time.Now().Add(lingerTime))
		_ = member.SetWriteDeadline(time.Now().Add(lingerTime))
	}
	group.Wait()
	if received > 0 {
		return nil
	}
	return alert(err)
}

// reader is a client that must take what it is told.
type reader struct{ net.Conn }

func (r reader) Write(text []byte) (int, error) {
	_ = r.SetWriteDeadline(time.Now().Add(unreadTime))
	return r.Conn.Write(text)
}

// alert finds in err what the other side of TLS said went wrong.
func alert(err error) error {
	var fault *net.OpError
	for errors.As(err, &fault) {
		if fault.Op == "remote error" {
			return fault
		}
		err = fault.Err
	}
	return nil
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// connect tries the members one after the other.
func (r *relay) connect(ctx context.Context, protocol string) (member upstream, address string, err error) {
	var faults []error
	for _, address := range r.members.order(time.Now(), ownNetworks()) {
		connection, err := r.dialer.dial(ctx, address, protocol)
		if ctx.Err() != nil {
			if err == nil {
				abandon(connection)
			}
			return nil, "", ctx.Err()
		}
		r.members.tried(address, err, time.Now())
		if err == nil {
			return connection, address, nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", address, err))
	}
	return nil, "", errors.Join(faults...)
}

// refuse answers a client of HTTP/1, mostly a person with curl, with what is wrong.
func refuse(client net.Conn, reader *bufio.Reader, err error) {
	text := "no member of the store can be reached:\n" + err.Error() + "\n"
	deadline := time.Now().Add(time.Second)
	_ = client.SetDeadline(deadline)
	_, _ = fmt.Fprintf(client, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		len(text), text)
	closeWrite(client)
	// Closing with bytes unread would reset the connection and lose the answer.
	_, _ = io.Copy(io.Discard, reader)
}
