package endpoint

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// quietTime is after how long without a word, in either direction, a connection may
// have to make room for another: longer than any answer takes that is not waited for.
const quietTime = 10 * time.Second

// room holds the open connections, as many as there may be. Those that wait for an
// event stay open for days, and must not keep others from a word with the store: who
// comes when all is taken gets the place of whoever has been quiet for longest. Who
// waited asks again, as it does when its member is lost.
type room struct {
	places chan struct{}

	mutex sync.Mutex
	held  map[*held]struct{}
}

func newRoom(connections int) *room {
	return &room{places: make(chan struct{}, connections), held: map[*held]struct{}{}}
}

// held is a connection that has a place.
type held struct {
	net.Conn
	spoke atomic.Int64 // when the latest byte went through, in nanoseconds since 1970
}

func (h *held) touch() { h.spoke.Store(time.Now().UnixNano()) }

func (h *held) Read(into []byte) (int, error) {
	n, err := h.Conn.Read(into)
	h.touch()
	return n, err
}

func (h *held) Write(text []byte) (int, error) {
	n, err := h.Conn.Write(text)
	h.touch()
	return n, err
}

// CloseWrite ends what goes to the client.
func (h *held) CloseWrite() error {
	closeWrite(h.Conn)
	return nil
}

// take waits for a place; false if ctx ends first.
func (r *room) take(ctx context.Context, client net.Conn) (*held, bool) {
	for {
		select {
		case r.places <- struct{}{}:
			return r.hold(client), true
		default:
		}
		select {
		case r.places <- struct{}{}:
			return r.hold(client), true
		case <-time.After(r.makePlace(time.Now())):
		case <-ctx.Done():
			return nil, false
		}
	}
}

func (r *room) hold(client net.Conn) *held {
	h := &held{Conn: client}
	h.touch()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.held[h] = struct{}{}
	return h
}

func (r *room) leave(h *held) {
	r.mutex.Lock()
	delete(r.held, h)
	r.mutex.Unlock()
	<-r.places
}

// makePlace ends the connection that has been quiet for longest, if that is long
// enough, and says when to look again.
func (r *room) makePlace(now time.Time) time.Duration {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var quietest *held
	for h := range r.held {
		if quietest == nil || h.spoke.Load() < quietest.spoke.Load() {
			quietest = h
		}
	}
	if quietest == nil {
		return quietTime
	}
	if left := quietTime - now.Sub(time.Unix(0, quietest.spoke.Load())); left > 0 {
		return left
	}
	delete(r.held, quietest) // it leaves when it has noticed
	_ = quietest.Close()
	return quietTime
}
