//go:build store

package v2cluster

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestOthersAreAnsweredBeside clients who send half a request and stop, in the
// head, in a small form and in a large one; and streams of which nothing is read.
// When each of these ends is tested in the packages that end them.
func TestOthersAreAnsweredBeside(t *testing.T) {
	const halves, unread, large = 300, 20, 16 << 10
	allow(t, halves+unread+500)
	member := start(t, 1)[0]
	begin := func(request string) net.Conn {
		connection, err := net.Dial("tcp", member.host+":2379")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		if _, err := fmt.Fprint(connection, request); err != nil {
			t.Fatal(err)
		}
		return connection
	}
	for i := range halves {
		begin([]string{
			"PUT /v2/keys/half HTTP/1.1\r\nHost: x\r\nContent-Len",
			form("half", 100, "value=half"),
			form("half", 100_000, "value="+strings.Repeat("x", 20_000)),
		}[i%3])
	}
	for range unread {
		stream := begin("GET /v2/keys/flood?wait=true&stream=true&recursive=true HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := stream.Read(make([]byte, 1)); err != nil { // it waits from now on
			t.Fatal(err)
		}
	}
	web := newWeb()
	defer web.CloseIdleConnections()
	value := strings.Repeat("y", large-1000) // a form of this size does not queue for room
	for i := range 1000 {                    // beyond what the kernel and the member hold for a stream
		if err := put(t.Context(), web, member, fmt.Sprintf("flood/%d", i%10), value); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	if _, err := member.connect(t).Put(t.Context(), "v3", "x"); err != nil {
		t.Error(err)
	}
	if _, err := ask(t.Context(), web, http.MethodGet, member.client()+"/v2/keys/half", nil); err == nil || !strings.Contains(err.Error(), `"errorCode":100,`) {
		t.Errorf("half a request has made a key: %v", err)
	}
}

func form(key string, length int, begun string) string {
	return fmt.Sprintf("PUT /v2/keys/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", key, length, begun)
}
