package join

import (
	"net"
	"sync"
)

// fairListener closes connections beyond so many from one address, so that one
// client that says nothing leaves room for others.
type fairListener struct {
	net.Listener
	most int

	mutex sync.Mutex
	open  map[string]int
}

func fair(l net.Listener, most int) net.Listener {
	return &fairListener{Listener: l, most: most, open: map[string]int{}}
}

func (l *fairListener) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, _, err := net.SplitHostPort(connection.RemoteAddr().String())
		if err == nil && l.enter(from) {
			return &counted{Conn: connection, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		_ = connection.Close()
	}
}

func (l *fairListener) enter(from string) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.open[from] >= l.most {
		return false
	}
	l.open[from]++
	return true
}

func (l *fairListener) leave(from string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.open[from]--; l.open[from] == 0 {
		delete(l.open, from)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
