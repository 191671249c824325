package v2keys

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/keyspace"
)

func TestAFloodOfWaitsIsRefused(t *testing.T) {
	memory := NewMemory(0, time.Now)
	for i := range mostWaits {
		if _, err := memory.Wait(t.Context(), keyspace.Watch{Key: keyspace.CleanKey(fmt.Sprint(i)), Stream: i%2 == 0}); err != nil {
			t.Fatalf("wait %d: %v", i, err)
		}
	}
	url := serve(t, memory)
	status, body, _ := ask(t, "GET", url+"/v2/keys/a?wait=true", "")
	const want = `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: too many wait: 20000 at most","index":0}` + "\n"
	if status != http.StatusInternalServerError || body != want {
		t.Errorf("one more is answered %d %s", status, body)
	}
	if status, _, _ := ask(t, "PUT", url+"/v2/keys/0", "value=x"); status != http.StatusCreated {
		t.Errorf("a write meanwhile: %d", status)
	}
	if status, body, _ := ask(t, "GET", url+"/v2/keys/0?wait=true&waitIndex=1", ""); status != http.StatusOK {
		t.Errorf("one whose event has happened waits for nothing, and is answered %d %s", status, body)
	}
}

// overPipe serves one connection in the test's bubble, where time is its own.
func overPipe(t *testing.T, keys Keys) net.Conn {
	here, there := net.Pipe()
	server := &http.Server{Handler: &Handler{Keys: keys, Now: time.Now}}
	listener := &once{connection: there, closed: make(chan struct{})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = here.Close()
		_ = server.Close()
	})
	return here
}

// once is a listener with one connection.
type once struct {
	connection net.Conn
	closed     chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	if c := o.connection; c != nil {
		o.connection = nil
		return c, nil
	}
	<-o.closed
	return nil, net.ErrClosed
}

func (o *once) Close() error {
	close(o.closed)
	return nil
}

func (o *once) Addr() net.Addr { return &net.UnixAddr{} }

func TestAFormThatDoesNotArriveIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory(0, time.Now)
		connection := overPipe(t, memory)
		begun := time.Now()
		go fmt.Fprint(connection, "PUT /v2/keys/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nvalue=half")
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		const want = `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: the request did not arrive within 30s","index":0}` + "\n"
		if string(body) != want || err != nil || time.Since(begun) != formTime {
			t.Errorf("after %v: %s %v", time.Since(begun), body, err)
		}
		if _, err := memory.Read(t.Context(), keyspace.Get{Key: "/a"}); err == nil {
			t.Error("half a request has made a key")
		}
	})
}

// TestAStreamThatIsNotReadEnds: who hangs on without reading is let go.
func TestAStreamThatIsNotReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory(0, time.Now)
		connection := overPipe(t, memory)
		_, _ = fmt.Fprint(connection, "GET /v2/keys/a?wait=true&stream=true HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(connection), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // waiting alone is no fault
		if waiting := memory.replica.watchers.Waiting(); waiting != 1 {
			t.Fatalf("%d wait after an hour without events", waiting)
		}
		if _, err := memory.Write(t.Context(), keyspace.Set{Key: "/a", Content: value(strings.Repeat("x", 10_000))}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(answerTime + time.Second)
		synctest.Wait()
		if waiting := memory.replica.watchers.Waiting(); waiting != 0 {
			t.Errorf("%d still wait", waiting)
		}
	})
}

func TestAFormBeyondTheLargestValueIsNotRead(t *testing.T) {
	url := serve(t, NewMemory(0, time.Now))
	status, body, _ := ask(t, "PUT", url+"/v2/keys/a", "value="+strings.Repeat("a", int(Limits{}.largestForm())))
	const want = `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request is too large: 393216 bytes at most","index":0}` + "\n"
	if status != http.StatusInternalServerError || body != want {
		t.Errorf("%d %.200s", status, body)
	}
}
