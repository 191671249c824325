package endpoint

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPlainMembers: without TLS of its own the relay speaks plain text to
// members, and follows where they go.
func TestPlainMembers(t *testing.T) {
	named := func(name string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	updates := make(chan []string)
	relay := relayTo(t, Config{Members: []string{named("a")}, Updates: updates})
	ask := func() string {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get("http://" + relay)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if got := ask(); got != "a" {
		t.Errorf("the member says %q", got)
	}
	updates <- []string{named("b")}
	updates <- nil // by now the first has been taken up
	if got := ask(); got != "b" {
		t.Errorf("after the members changed: %q", got)
	}
	none, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = none.Close()
	updates <- []string{none.Addr().String()}
	updates <- nil
	if got := ask(); !strings.HasPrefix(got, "no member of the store can be reached:") {
		t.Errorf("with nobody there: %q", got)
	}
}
