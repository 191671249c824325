// Package client asks the API of core/api over a unix socket or HTTPS. A client
// remembers the revision of its own last write, and every read of it shows at
// least that.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"argosy/core/api"
	"argosy/core/cluster"
)

// DefaultEndpoint is where fleet's socket has always been.
const DefaultEndpoint = "unix:///var/run/fleet.sock"

// Config says where and how to ask.
type Config struct {
	// Endpoints are unix:///PATH, file:///PATH, http://HOST:PORT or
	// https://HOST:PORT. They are tried in turn.
	Endpoints []string
	TLS       *tls.Config   // for https
	Timeout   time.Duration // of one request that is no stream; 0 for none
	// Dial makes the connections, where it is not nil: network and address are as
	// in net.Dialer, the address of a unix socket its path.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace is told of each request, where it is not nil.
	Trace func(line string)
	// PassedOver is told of an endpoint that gave no answer, before the next one is
	// asked, where it is not nil.
	PassedOver func(err *UnreachableError, next string)
}

// Client is safe for use by several goroutines.
type Client struct {
	endpoints []endpoint
	timeout   time.Duration
	trace     func(string)
	passed    func(*UnreachableError, string)
	preferred atomic.Int64 // index of the endpoint that answered last
	revision  atomic.Int64 // of this client's last write
}

type endpoint struct {
	named     string // as it was given
	base      string // scheme and host for a request
	transport *http.Transport
}

// New makes a client. It connects to nothing yet.
func New(c Config) (*Client, error) {
	client := &Client{timeout: c.Timeout, trace: c.Trace, passed: c.PassedOver}
	if client.trace == nil {
		client.trace = func(string) {}
	}
	if client.passed == nil {
		client.passed = func(*UnreachableError, string) {}
	}
	if len(c.Endpoints) == 0 {
		return nil, errors.New("no endpoint is given")
	}
	for _, named := range c.Endpoints {
		e, err := parseEndpoint(named, c)
		if err != nil {
			return nil, err
		}
		client.endpoints = append(client.endpoints, e)
	}
	return client, nil
}

// dialTime bounds the wait for a connection.
const dialTime = 5 * time.Second

// limitSilence has a connection end over bytes that nobody acknowledges for the
// same time. The kernel would send them again at ever longer pauses, also to a
// machine that was cut off and is back.
func limitSilence(network, _ string, raw syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(dialTime.Milliseconds()))
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}

func parseEndpoint(named string, c Config) (endpoint, error) {
	bad := func(what string) (endpoint, error) {
		return endpoint{}, fmt.Errorf("endpoint %q: %s; expected unix:///PATH or https://HOST:PORT", named, what)
	}
	at, err := url.Parse(named)
	if err != nil {
		return bad("it is no URL")
	}
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTime, Control: limitSilence}).DialContext
	}
	e := endpoint{named: named, transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial, TLSClientConfig: c.TLS,
		TLSHandshakeTimeout: dialTime, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute,
	}}
	switch at.Scheme {
	case "unix", "file":
		if at.Path == "" || at.Host != "" {
			return bad("the socket's path must begin with a slash")
		}
		e.base = "http://fleet"
		e.transport.Proxy = nil
		e.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, "unix", at.Path)
		}
	case "http", "https":
		if at.Host == "" || at.Path != "" && at.Path != "/" {
			return bad("it is not a host with a port alone")
		}
		e.base = at.Scheme + "://" + at.Host
	default:
		return bad(fmt.Sprintf("the scheme %q is not known", at.Scheme))
	}
	return e, nil
}

// Close ends the connections that are kept for further requests.
func (c *Client) Close() {
	for _, e := range c.endpoints {
		e.transport.CloseIdleConnections()
	}
}

// wrote takes in the revision of a write of this client.
func (c *Client) wrote(revision int64) {
	for {
		known := c.revision.Load()
		if revision <= known || c.revision.CompareAndSwap(known, revision) {
			return
		}
	}
}

// reading adds what every read asks for.
func (c *Client) reading(q url.Values) url.Values {
	if q == nil {
		q = url.Values{}
	}
	if r := c.revision.Load(); r > 0 {
		q.Set("minRevision", strconv.FormatInt(r, 10))
	}
	return q
}

// exchange asks and reads the whole JSON answer into answer.
func (c *Client) exchange(ctx context.Context, method, path string, q url.Values, body, answer any) error {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	response, err := c.insist(ctx, method, path, q, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	return nil
}

const (
	// unready is how long a client puts up with 503: the store elects a leader
	// of its own in a second or two, and a machine that has just started learns
	// of the cluster in less.
	unready = 5 * time.Second
	pause   = 250 * time.Millisecond
)

// insist is open, asked again while the answer is that it cannot be given just
// now. That is safe for writes too: they say what is wanted, not what to do.
func (c *Client) insist(ctx context.Context, method, path string, q url.Values, body any) (*http.Response, error) {
	for began := time.Now(); ; {
		response, err := c.open(ctx, method, path, q, body)
		if !errors.Is(err, cluster.ErrUnavailable) || time.Since(began) > unready {
			return response, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// open asks, and returns an answer of success with its body still to read. It
// tries the endpoints in turn until one can be reached, beginning with the one
// that answered last.
func (c *Client) open(ctx context.Context, method, path string, q url.Values, body any) (*http.Response, error) {
	sent, err := encode(body)
	if err != nil {
		return nil, err
	}
	var faults []error
	first := int(c.preferred.Load())
	for i := range c.endpoints {
		at := (first + i) % len(c.endpoints)
		response, err := c.ask(ctx, c.endpoints[at], method, path, q, sent)
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) {
			c.preferred.Store(int64(at))
			return response, err
		}
		if ctx.Err() != nil || !neverSent(err) {
			return nil, err
		}
		if faults = append(faults, err); i+1 < len(c.endpoints) {
			c.passed(unreachable, c.endpoints[(at+1)%len(c.endpoints)].named)
		}
	}
	return nil, errors.Join(faults...)
}

func (c *Client) ask(ctx context.Context, e endpoint, method, path string, q url.Values, body []byte) (*http.Response, error) {
	at := e.base + api.Base + path
	if len(q) > 0 {
		at += "?" + q.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	began := time.Now()
	response, err := e.transport.RoundTrip(request)
	if err != nil {
		c.trace(fmt.Sprintf("%s %s at %s: %v", method, path, e.named, err))
		return nil, &UnreachableError{Endpoint: e.named, Err: err}
	}
	c.trace(fmt.Sprintf("%s %s at %s: %s after %s", method, path, e.named, response.Status, time.Since(began).Round(time.Millisecond)))
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, readError(response)
}

// UnreachableError says that an endpoint gave no answer.
type UnreachableError struct {
	Endpoint string
	Err      error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("ask %s: %v", e.Endpoint, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// neverSent says that an error came before anything was sent.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// readError reads an answer that is no success. What is not of our API (a proxy
// on the way) is told by its status.
func readError(response *http.Response) error {
	var body api.ErrorBody
	err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&body)
	if err != nil || body.Error == nil || body.Error.Message == "" {
		return &api.Error{Code: response.StatusCode, Message: response.Status}
	}
	body.Error.Code = response.StatusCode
	return body.Error
}

func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // a unit's text may be as large as the API allows
	err := encoder.Encode(body)
	return out.Bytes(), err
}
