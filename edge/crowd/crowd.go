// Package crowd bounds the connections that a listener has open: all of them, and
// those of one address, so that a machine that is stolen or stuck leaves room for the
// others. What is beyond a bound is closed at once: who waits without a word would
// wait for ever behind those who say nothing.
package crowd

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bound is how many connections a listener may have open.
type Bound struct {
	All  int // from wherever
	Each int // from one address; in IPv6 from one network of 64 bits, which one machine may have
	// Known are addresses that count for neither: those of members, which are bounded
	// by what they are and must get through whoever else is there. May be nil.
	Known func(netip.Addr) bool
	// Full is told from where one was refused, at most once in every Quiet; may be nil.
	Full func(from string)
}

// Quiet is how long nothing is told after one refusal was.
const Quiet = time.Minute

// Over is the listener with its connections bounded.
func (b Bound) Over(l net.Listener) net.Listener {
	return &listener{Listener: l, bound: b, open: map[netip.Prefix]int{}}
}

type listener struct {
	net.Listener
	bound Bound

	mutex sync.Mutex
	all   int
	open  map[netip.Prefix]int // by where they come from
	told  time.Time
}

// Accept returns the next connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	for {
		made, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(made)
		if l.bound.Known != nil && from.IsValid() && l.bound.Known(from) {
			return made, nil
		}
		source := sourceOf(from)
		if l.enter(source) {
			return &conn{Conn: made, leave: sync.OnceFunc(func() { l.leave(source) })}, nil
		}
		_ = made.Close()
		l.tell(made, time.Now())
	}
}

func (l *listener) enter(source netip.Prefix) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.all >= l.bound.All || l.open[source] >= l.bound.Each {
		return false
	}
	l.all++
	l.open[source]++
	return true
}

func (l *listener) leave(source netip.Prefix) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.all--
	if l.open[source]--; l.open[source] == 0 {
		delete(l.open, source)
	}
}

// tell is called by Accept alone, which is one goroutine's.
func (l *listener) tell(refused net.Conn, now time.Time) {
	if l.bound.Full != nil && now.Sub(l.told) >= Quiet {
		l.told = now
		l.bound.Full(refused.RemoteAddr().String())
	}
}

// addressOf is none for what came over a unix socket.
func addressOf(made net.Conn) netip.Addr {
	if at, tcp := made.RemoteAddr().(*net.TCPAddr); tcp {
		return at.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// sourceOf is what counts as one: those over a unix socket are all one.
func sourceOf(from netip.Addr) netip.Prefix {
	const network = 64
	bits := from.BitLen()
	if from.Is6() {
		bits = network
	}
	source, _ := from.Prefix(bits) // none of none
	return source
}

// conn counts until it is closed.
type conn struct {
	net.Conn
	leave func()
}

func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// NetConn is the connection itself, as of tls.Conn.
func (c *conn) NetConn() net.Conn { return c.Conn }
