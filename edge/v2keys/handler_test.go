package v2keys

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"argosy/core/keyspace"
)

// What the answers say is compared with etcd's by test/v2diff. Here is what
// that cannot show: faults of the keeper, and those who do not read.

func serve(t *testing.T, keys Keys) string {
	t.Helper()
	server := httptest.NewServer(&Handler{Keys: keys, ClusterID: "cafe", Now: time.Now})
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// broken keeps nothing.
type broken struct{}

var errNoQuorum = errors.New("etcdserver: request timed out")

func (broken) Read(context.Context, keyspace.Get) (Answer, error)    { return Answer{}, errNoQuorum }
func (broken) Write(context.Context, keyspace.Write) (Answer, error) { return Answer{}, errNoQuorum }
func (broken) Wait(context.Context, keyspace.Watch) (Waiting, error) { return nil, errNoQuorum }

func TestAKeeperThatFailsIsError300(t *testing.T) {
	url := serve(t, broken{})
	for _, request := range []string{"GET /v2/keys/a", "GET /v2/keys/a?wait=true", "PUT /v2/keys/a", "DELETE /v2/keys/a"} {
		method, target, _ := strings.Cut(request, " ")
		status, body, _ := ask(t, method, url+target, "")
		const want = `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}` + "\n"
		if status != http.StatusInternalServerError || body != want {
			t.Errorf("%s: %d %s", request, status, body)
		}
	}
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	url := serve(t, NewMemory(0, time.Now))
	status, body, header := ask(t, "PUT", url+"/v2/keys/a", "value="+strings.Repeat("a", 11<<20))
	const want = `{"errorCode":210,"message":"Invalid POST form","cause":"http: POST too large","index":0}` + "\n"
	if status != http.StatusBadRequest || body != want || header.Get("X-Raft-Index") != "" {
		t.Errorf("%d %s %v", status, body, header)
	}
	if status, _, _ := ask(t, "GET", url+"/v2/keys/a", ""); status != http.StatusNotFound {
		t.Errorf("the key is there: %d", status)
	}
}

// TestAWaitIsRegisteredWhenItsHeadersArrive: a write after them is never missed.
func TestAWaitIsRegisteredWhenItsHeadersArrive(t *testing.T) {
	url := serve(t, NewMemory(0, time.Now))
	for range 50 {
		waiting, err := http.Get(url + "/v2/keys/a?wait=true")
		if err != nil {
			t.Fatal(err)
		}
		ask(t, "PUT", url+"/v2/keys/a", "value=x")
		line, err := bufio.NewReader(waiting.Body).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, `{"action":"set"`) {
			t.Fatalf("%q %v", line, err)
		}
		_ = waiting.Body.Close()
	}
}

// TestWhoDoesNotReadIsCutOff: a stream that is too far behind ends, with what
// it had, and holds nothing more.
func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	memory := NewMemory(0, time.Now)
	waiting, err := memory.Wait(t.Context(), keyspace.Watch{Key: "/a", Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	for range backlog + 50 {
		if _, err := memory.Write(t.Context(), keyspace.Set{Key: "/a"}); err != nil {
			t.Fatal(err)
		}
	}
	events := 0
	for _, more := waiting.Next(t.Context()); more; _, more = waiting.Next(t.Context()) {
		events++
	}
	if events != backlog || memory.replica.watchers.Waiting() != 0 || len(memory.replica.waiting) != 0 {
		t.Errorf("%d events, %d wait", events, len(memory.replica.waiting))
	}
	waiting.Close()
}

func TestWhoHangsUpIsForgotten(t *testing.T) {
	memory := NewMemory(0, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	waiting, err := memory.Wait(ctx, keyspace.Watch{Key: "/a"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if event, more := waiting.Next(ctx); more {
		t.Errorf("told of %+v", event)
	}
	waiting.Close()
	if count := memory.replica.watchers.Waiting(); count != 0 {
		t.Errorf("%d wait", count)
	}
}

func ask(t *testing.T, method, url, form string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}
