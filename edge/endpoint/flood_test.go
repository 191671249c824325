package endpoint

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// These tests are of what clients do not do, in a bubble whose time passes at once.

// queue is a listener whose clients are given to it.
type queue struct {
	clients chan net.Conn
	closed  context.Context
	close   context.CancelFunc
}

func newQueue() *queue {
	q := &queue{clients: make(chan net.Conn, 1000)}
	q.closed, q.close = context.WithCancel(context.Background())
	return q
}

func (q *queue) dial() net.Conn {
	here, there := net.Pipe()
	q.clients <- there
	return here
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.clients:
		return c, nil
	case <-q.closed.Done():
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.close()
	return nil
}

func (q *queue) Addr() net.Addr { return &net.UnixAddr{} }

// TestAFloodOfSilentClientsPasses: of those who say nothing, or too little to be
// understood, as many are held as there is room for, and not for long; who comes
// after them takes their place and is answered.
func TestAFloodOfSilentClientsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room, rounds = 4, 5
		listener := newQueue()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- Run(ctx, Config{Members: []string{"no address"}, Listeners: []net.Listener{listener}, Connections: room})
		}()
		for i := range room * rounds {
			client := listener.dial()
			if i%2 == 0 {
				go func() { _, _ = io.WriteString(client, "PR") }()
			}
		}
		good := listener.dial()
		answered := make(chan string, 1)
		go func() {
			_, _ = io.WriteString(good, "GET /")
			said := make([]byte, len("HTTP/1.1 503"))
			_, _ = io.ReadFull(good, said)
			_ = good.Close()
			answered <- string(said)
		}()
		begun := time.Now()
		synctest.Wait()
		if held := room*rounds + 1 - len(listener.clients); held != room+1 {
			t.Errorf("%d are held, and one more waits; there is room for %d", held-1, room)
		}
		// Nobody can be reached here: it is the relay that answers.
		if said := <-answered; said != "HTTP/1.1 503" || time.Since(begun) != rounds*quietTime {
			t.Errorf("after %v it is told %q", time.Since(begun), said)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// piped is a member at the other end of a pipe.
type piped struct{ net.Conn }

func (p piped) CloseWrite() error { return p.Close() }

// relayed begins an exchange and returns both ends and its own end.
func relayed() (client, member net.Conn, over <-chan struct{}) {
	client, fromClient := net.Pipe()
	member, toMember := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer fromClient.Close()
		defer toMember.Close()
		_ = exchange(fromClient, fromClient, piped{toMember})
	}()
	return client, member, ended
}

// TestWhoReadsNothingIsEnded: waiting alone is no fault, but leaving what comes.
func TestWhoReadsNothingIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, member, over := relayed()
		_, _ = io.WriteString(client, "GET /v2/keys/a?wait=true")
		if _, err := io.ReadFull(member, make([]byte, len("GET /v2/keys/a?wait=true"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if _, err := io.WriteString(member, "an event"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, make([]byte, len("an event"))); err != nil {
			t.Fatalf("after a day of waiting: %v", err)
		}
		begun := time.Now()
		_, err := io.Copy(member, strings.NewReader(strings.Repeat("x", 100_000)))
		if err == nil || time.Since(begun) != unreadTime {
			t.Errorf("after %v the member has written all: %v", time.Since(begun), err)
		}
		<-over
	})
}

// TestWhoStopsHalfwayEndsWithItsMember: members do not wait for ever for the rest
// of a request, and the relay does not when they have ended.
func TestWhoStopsHalfwayEndsWithItsMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, member, over := relayed()
		_, _ = io.WriteString(client, "PUT /v2/keys/a HTTP/1.1\r\nContent-Le")
		if _, err := io.ReadFull(member, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_ = member.Close()
		<-over
		if took := time.Since(begun); took > lingerTime {
			t.Errorf("it ended after %v", took)
		}
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("the client is still connected")
		}
	})
}

// TestWaitsMakeRoom: those who wait for an event fill the relay, and who comes with
// a word is let in, in place of the one that has been quiet for longest. A stream
// that is told something stays.
func TestWaitsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(3)
		var ends []net.Conn
		come := func() *held {
			here, there := net.Pipe()
			ends = append(ends, here)
			h, ok := r.take(t.Context(), there)
			if !ok {
				t.Fatal("the test has ended")
			}
			return h
		}
		first, stream, third := come(), come(), come()
		over := func(h *held) bool {
			_ = h.SetReadDeadline(time.Now())
			_, err := h.Conn.Read(make([]byte, 1))
			return errors.Is(err, io.ErrClosedPipe)
		}
		time.Sleep(quietTime / 2)
		go func() { _, _ = ends[1].Read(make([]byte, 5)) }()
		_, _ = io.WriteString(stream, "event")
		time.Sleep(quietTime / 4)
		for _, h := range []*held{first, third} { // which have been quiet for as long
			go func() { // who relays it notices
				for !over(h) {
					time.Sleep(time.Millisecond)
				}
				r.leave(h)
			}()
		}
		begun := time.Now()
		come()
		if took := time.Since(begun); took < quietTime/4 || took > quietTime/4+time.Second {
			t.Errorf("a place was made after %v", took)
		}
		come()
		if !over(first) || over(stream) || !over(third) {
			t.Errorf("ended: the first %t, the stream %t, the third %t", over(first), over(stream), over(third))
		}
	})
}
