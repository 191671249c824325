package store

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between a store and its etcd like a network that can be cut.
type relay struct {
	address  string
	listener net.Listener
	to       string
	work     sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]bool
	cut    bool          // refuse and end connections
	thaw   chan struct{} // not closed: bytes that arrive go no further
	frozen bool
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: listener.Addr().String(), listener: listener, to: to, open: map[net.Conn]bool{}, thaw: make(chan struct{})}
	close(r.thaw)
	r.work.Go(r.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		r.setFrozen(false)
		r.setCut(true)
		r.work.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.work.Go(func() { r.carry(near) })
	}
}

func (r *relay) carry(near net.Conn) {
	far, err := net.Dial("tcp", r.to)
	if err != nil {
		_ = near.Close()
		return
	}
	r.mu.Lock()
	r.open[near], r.open[far] = true, true
	cut := r.cut
	r.mu.Unlock()
	if cut {
		r.setCut(true)
	}
	var both sync.WaitGroup
	both.Go(func() { r.copy(far, near) })
	both.Go(func() { r.copy(near, far) })
	both.Wait()
	r.mu.Lock()
	delete(r.open, near)
	delete(r.open, far)
	r.mu.Unlock()
}

func (r *relay) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		r.mu.Lock()
		thaw := r.thaw
		r.mu.Unlock()
		<-thaw
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = from.Close()
			}
			return
		}
	}
}

// setCut ends all connections and each new one at once, or lets them through.
func (r *relay) setCut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	if cut {
		for conn := range r.open {
			_ = conn.Close()
		}
	}
}

// setFrozen holds all bytes back while connections stay up, as at a member that
// is stopped while its kernel answers.
func (r *relay) setFrozen(frozen bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if frozen == r.frozen {
		return
	}
	r.frozen = frozen
	if frozen {
		r.thaw = make(chan struct{})
	} else {
		close(r.thaw)
	}
}
