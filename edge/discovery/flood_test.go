package discovery_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
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
