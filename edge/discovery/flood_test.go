package discovery_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"argosy/edge/discovery"
)

// TestFlood: those who wait take half of the connections at most, those who say
// nothing the rest, and when they leave all is as before.
func TestFlood(t *testing.T) {
	t.Parallel()
	service := serve(t, etcd(t), discovery.Config{Connections: 8, Patience: time.Second})
	token := newToken(t, service, "")
	browser.CloseIdleConnections()
	dial := func(text string) net.Conn {
		t.Helper()
		connection, err := net.Dial("tcp", strings.TrimPrefix(service, "http://"))
		if err == nil {
			_, err = io.WriteString(connection, text)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		return connection
	}
	waiting := fmt.Sprintf("GET /%s?wait=true&recursive=true HTTP/1.1\r\nHost: x\r\n\r\n", token)
	status := func(connection net.Conn) int {
		t.Helper()
		_ = connection.SetReadDeadline(time.Now().Add(20 * time.Second))
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	var waits []net.Conn
	for i := range 4 {
		waits = append(waits, dial(waiting))
		if got := status(waits[i]); got != http.StatusOK {
			t.Fatalf("wait %d: %d", i, got)
		}
	}
	if got := status(dial(waiting)); got != http.StatusServiceUnavailable {
		t.Errorf("one wait too many: %d", got)
	}
	if answer := ask(t, "GET", service+"/"+token, ""); answer.StatusCode != http.StatusOK {
		t.Errorf("while others wait: %v", answer)
	}
	browser.CloseIdleConnections()

	// A half-open request and one whose body never comes.
	for range 8 {
		dial("GET /" + token)
	}
	_ = waits[0].Close()
	_ = waits[1].Close()
	if got := status(dial(fmt.Sprintf("PUT /%s/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nvalue=", token))); got != http.StatusBadRequest {
		t.Errorf("a body that never comes: %d", got)
	}
	if answer := ask(t, "GET", service+"/"+token+"/1", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("it was stored: %v", answer)
	}
}

// TestNoStore: what is wrong with the store is said, and its address is not.
func TestNoStore(t *testing.T) {
	none, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + none.Addr().String()
	_ = none.Close()
	faults := make(chan error, 10)
	service := serve(t, gone, discovery.Config{Report: func(err error) { faults <- err }})
	for _, path := range []string{"/new", "/health", "/" + nobodys} {
		if answer := ask(t, "GET", service+path, ""); answer.StatusCode != 503 || answer.body != "the store does not answer\n" {
			t.Errorf("%s: %v", path, answer)
		}
		if err := <-faults; !strings.Contains(err.Error(), gone[len("http://"):]) {
			t.Errorf("%s: told %v", path, err)
		}
	}
	// Another member takes over.
	both := serve(t, gone+","+etcd(t), discovery.Config{})
	token := newToken(t, both, "")
	if answer := ask(t, "PUT", both+"/"+token+"/1", "value=x"); answer.StatusCode != 201 {
		t.Errorf("with one member gone: %v", answer)
	}
	// An etcd without the v2 API.
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	service = serve(t, plain.URL, discovery.Config{Report: func(err error) { faults <- err }})
	ask(t, "GET", service+"/new", "")
	if err := <-faults; !strings.Contains(err.Error(), "is etcd's v2 API enabled?") {
		t.Errorf("told %v", err)
	}
}

func TestStoreURLs(t *testing.T) {
	for _, given := range []string{"", "127.0.0.1:2379", "http://", "unix://x", "http://a:1/path", "http://a:1,"} {
		if _, err := discovery.NewStore(given, nil); err == nil || !strings.HasPrefix(err.Error(), "read the URL of etcd: ") {
			t.Errorf("%q: %v", given, err)
		}
	}
}
