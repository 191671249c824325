package client

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Through dials members by way of the API at a unix socket, which passes the
// connection through as it is (CONNECT): nothing of what is said can be read there.
func Through(socket string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, err
		}
		if err := askThrough(conn, address); err != nil {
			_ = conn.Close()
			return nil, &net.OpError{Op: "dial", Net: "unix", Err: fmt.Errorf("through %s: %w", socket, err)} // nothing was asked yet
		}
		return conn, nil
	}
}

// askThrough has a connection passed through to address.
func askThrough(conn net.Conn, address string) error {
	_ = conn.SetDeadline(time.Now().Add(dialTime))
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address); err != nil {
		return err
	}
	// TLS's client speaks first, so that nothing but the answer can be in the buffer.
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return readError(response)
	}
	return conn.SetDeadline(time.Time{})
}
