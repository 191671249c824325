package etcdnode

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// member is etcd with one member on a unix socket, so that the socket's path is
// known before it listens.
func member(t *testing.T) (*embed.Config, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	etcd := embed.NewConfig()
	etcd.Dir = t.TempDir()
	etcd.UnsafeNoFsync = true
	etcd.TickMs, etcd.ElectionMs = 10, 100
	here := []url.URL{{Scheme: "unix", Path: socket}}
	etcd.ListenClientUrls, etcd.AdvertiseClientUrls = here, here
	etcd.ListenPeerUrls = nil
	etcd.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	return etcd, "unix://" + socket
}

func TestRun(t *testing.T) {
	etcd, endpoint := member(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, stopping, ended := make(chan bool), make(chan bool, 1), make(chan error)
	go func() {
		ended <- Run(ctx, Config{
			Etcd: etcd,
			Handlers: map[string]http.Handler{"/hello": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "hello")
			})},
			Ready:    func() { close(ready) },
			Stopping: func() { stopping <- true },
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Put(t.Context(), "a", "b"); err != nil {
		t.Error(err)
	}
	if got := get(t, strings.TrimPrefix(endpoint, "unix://"), "/hello"); got != "hello" {
		t.Errorf("our own handler answers %q", got)
	}
	// A watch is open when it stops, and may not hold it up.
	watching := client.Watch(t.Context(), "a", clientv3.WithRev(1))
	if response := <-watching; len(response.Events) != 1 {
		t.Errorf("watch tells %+v", response)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(stopping) != 1 {
		t.Error("it did not say that it was stopping")
	}
}

func get(t *testing.T, socket, path string) string {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://etcd" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRunSaysWhyItCannotStart(t *testing.T) {
	etcd, _ := member(t)
	etcd.Name = "core-01"
	etcd.ListenClientUrls[0].Scheme = "unixs" // without a certificate
	if err := Run(t.Context(), Config{Etcd: etcd}); err == nil || !strings.Contains(err.Error(), "start etcd core-01") || !strings.Contains(err.Error(), "--cert-file") {
		t.Errorf("Run: %v", err)
	}
}

// TestRunStopsBeforeItIsReady stops a member that waits for others.
func TestRunStopsBeforeItIsReady(t *testing.T) {
	etcd, _ := member(t)
	etcd.InitialCluster += ",other=http://127.0.0.1:1"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Run(ctx, Config{Etcd: etcd, Ready: func() { t.Error("it said that it was ready") }}) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
