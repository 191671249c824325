package discovery_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/edge/discovery"
	"argosy/edge/etcdnode/etcdtest"
	"argosy/edge/v2keys"
)

// running runs something until the test ends.
func running(t testing.TB, part func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { part(ctx) })
	t.Cleanup(func() {
		cancel()
		parts.Wait()
	})
}

// etcd is a real one with the v2 API, and returns where that is served.
func etcd(t testing.TB) string {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: etcdtest.Start(t), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	keys := v2keys.NewCluster(v2keys.ClusterConfig{
		Client: client, Now: time.Now, Report: func(err error) { t.Log(err) },
		Raft: func() v2keys.Raft { return v2keys.Raft{Index: 7, Term: 2} },
	})
	running(t, func(ctx context.Context) { _ = keys.Run(ctx) })
	server := httptest.NewServer(&v2keys.Handler{Keys: keys, ClusterID: "cafe", Now: time.Now})
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// serve runs the service on that etcd, or on config's store, with the defaults where config says nothing.
func serve(t testing.TB, etcd string, config discovery.Config) (url string) {
	t.Helper()
	if config.Store == nil {
		var err error
		if config.Store, err = discovery.NewStore(etcd, nil); err != nil {
			t.Fatal(err)
		}
	}
	if config.Host == "" {
		config.Host = host
	}
	if config.Tokens == 0 {
		config.Tokens = discovery.Tokens
	}
	if config.Connections == 0 {
		config.Connections = discovery.Connections
	}
	if config.Patience == 0 {
		config.Patience = discovery.Patience
	}
	config.Now = time.Now
	if config.Report == nil {
		config.Report = func(err error) { t.Error(err) }
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running(t, func(ctx context.Context) {
		if err := discovery.Serve(ctx, listener, config); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

const host = "https://discovery.example.com"

// said is an answer.
type said struct {
	*http.Response
	body string
}

func (s said) String() string { return fmt.Sprintf("%s %v\n%s", s.Status, s.Header, s.body) }

// browser follows no redirect.
var browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func ask(t testing.TB, method, url, form string) said {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return said{response, string(body)}
}

// newToken asks for one and checks its form.
func newToken(t testing.TB, service, query string) string {
	t.Helper()
	answer := ask(t, "GET", service+"/new"+query, "")
	token, ours := strings.CutPrefix(answer.body, host+"/")
	if answer.StatusCode != 200 || !ours || len(token) != 32 {
		t.Fatalf("no token: %v", answer)
	}
	return token
}
