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
	"argosy/edge/v2keys"
)

// FuzzRequests: whatever is sent is answered, no answer says that the service
// broke, and what is refused has changed nothing.
func FuzzRequests(f *testing.F) {
	store := httptest.NewServer(&v2keys.Handler{Keys: v2keys.NewMemory(3, time.Now), ClusterID: "cafe", Now: time.Now})
	f.Cleanup(store.Close)
	service := serve(f, store.URL, discovery.Config{Patience: time.Second})
	token := newToken(f, service, "")
	for _, seed := range [][3]string{
		{"GET", "/", ""}, {"POST", "/new", "size=3"}, {"PUT", "/new?size=x", ""}, {"GET", "/health", ""},
		{"PUT", "/T/1?prevExist=false", "value=a"}, {"DELETE", "/T/1", ""}, {"PUT", "/T?dir=true&prevExist=true&ttl=9", ""},
		{"GET", "/T/_config/size", ""}, {"PUT", "/" + nobodys + "/1", "value=a"}, {"GET", "//T/..", ""}, {"PUT", "/T/%2f", "ttl=x"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if strings.Contains(target, "wait") || strings.ContainsAny(method+target, "\r\n") {
			return
		}
		target = strings.Replace(target, "T", token, 1)
		before := index(t, store.URL)
		status := send(t, service, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body))
		if status == http.StatusInternalServerError || status == http.StatusBadGateway {
			t.Errorf("%q %q %q: %d", method, target, body, status)
		}
		if after := index(t, store.URL); status >= 400 && after != before {
			t.Errorf("%q %q %q: %d, and the index went from %s to %s", method, target, body, status, before, after)
		}
	})
}

func index(t testing.TB, store string) string {
	return ask(t, "GET", store+"/v2/keys/", "").Header.Get("X-Etcd-Index")
}

// send sends bytes as they are and returns the answer's status.
func send(t testing.TB, service, request string) int {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(service, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("%q has no answer: %v", request, err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
