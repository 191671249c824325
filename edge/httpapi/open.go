package httpapi

import "net"

// Open answers everybody who reaches a listener, in plain HTTP, as programs for
// fleet expect it over TCP. Whoever reaches it may read, and change nothing: every
// user and container of the machine can, and a browser that is told to. So it is for
// an address that only this machine can reach, and for an operator who asked for it:
// anything else is handed back as it is.
func Open(l net.Listener) net.Listener {
	at, tcp := l.Addr().(*net.TCPAddr)
	if !tcp || !at.IP.IsLoopback() {
		return l
	}
	return open{l}
}

type open struct{ net.Listener }

func (o open) Accept() (net.Conn, error) {
	conn, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return openConn{conn}, nil
}

// openConn is a connection whose other end need not say who it is.
type openConn struct{ net.Conn }
