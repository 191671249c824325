//go:build store

package v2diff

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/core/keyspace"
	"argosy/edge/etcdnode/etcdtest"
	"argosy/edge/v2keys"
)

// side is one of the two that are compared.
type side struct {
	name   string
	base   string // scheme and host; what connects to it is in client
	client *http.Client
}

// startReference runs etcd with its v2 API and waits until it answers. It
// listens on sockets in its folder, so no port can be taken.
func startReference(t *testing.T) side {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatalf("the reference is Debian's etcd-server (make deps installs it): %v", err)
	}
	folder := t.TempDir()
	var log bytes.Buffer
	command := exec.Command(program, "--enable-v2=true", "--data-dir=data", "--logger=zap", "--log-level=warn",
		"--listen-client-urls=unix://client:0", "--advertise-client-urls=unix://client:0",
		"--listen-peer-urls=unix://peer:0", "--initial-advertise-peer-urls=unix://peer:0",
		"--initial-cluster=default=unix://peer:0")
	command.Dir, command.Stdout, command.Stderr = folder, &log, &log
	if err := command.Start(); err != nil {
		t.Fatalf("start the reference: %v", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("the reference's log:\n%s", log.String())
		}
	})
	reference := side{name: "etcd", base: "http://client", client: newClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(folder, "client:0"))
	})}
	waitHealthy(t, reference)
	return reference
}

// waitHealthy asks until a request that needs consensus is answered.
func waitHealthy(t *testing.T, reference side) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	var last string
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		response, err := reference.client.Get(reference.base + "/v2/keys?quorum=true")
		if err == nil {
			last = response.Status
			_ = response.Body.Close()
			// It names its version in its own v2 tree last of all; before, the index still moves.
			if response.StatusCode == http.StatusOK && response.Header.Get("X-Etcd-Index") >= "3" {
				return
			}
		} else {
			last = err.Error()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the reference does not answer: %s", last)
		}
	}
}

// keeper makes ours, beginning at the reference's index.
type keeper func(t *testing.T, index uint64) v2keys.Keys

// inMemory keeps the keys in a Memory that looks for what has expired as often
// as etcd does.
func inMemory(t *testing.T, index uint64) v2keys.Keys {
	memory := v2keys.NewMemory(index, time.Now)
	running(t, func(ctx context.Context) {
		for tick := time.NewTicker(500 * time.Millisecond); ; {
			select {
			case <-tick.C:
				memory.Expire()
			case <-ctx.Done():
				return
			}
		}
	})
	return memory
}

// inEtcd keeps the keys in etcd v3; what is asked is a gateway beside the sequencer.
func inEtcd(t *testing.T, index uint64) v2keys.Keys {
	client, err := clientv3.New(clientv3.Config{Endpoints: etcdtest.Start(t), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	var gateway *v2keys.Cluster
	for _, asked := range []bool{false, true} {
		cluster := v2keys.NewCluster(v2keys.ClusterConfig{
			Client: client, Member: fmt.Sprint(asked), Now: time.Now, Gateway: asked,
			Raft:   func() v2keys.Raft { return v2keys.Raft{} },
			Report: func(err error) { t.Log(err) },
		})
		running(t, func(ctx context.Context) { _ = cluster.Run(ctx) })
		gateway = cluster
	}
	answer, err := gateway.Read(t.Context(), keyspace.Get{Key: keyspace.Root})
	if err != nil || answer.Index != index {
		t.Fatalf("ours begins at %d and the reference at %d: %v", answer.Index, index, err)
	}
	return gateway
}

// running runs something until the test ends.
func running(t *testing.T, part func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { part(ctx) })
	t.Cleanup(func() {
		cancel()
		parts.Wait()
	})
}

// startOurs serves the keys.
func startOurs(t *testing.T, keys v2keys.Keys) side {
	t.Helper()
	server := httptest.NewServer(&v2keys.Handler{Keys: keys, ClusterID: "cafe", Now: time.Now})
	t.Cleanup(func() {
		server.CloseClientConnections() // waits would keep it for ever
		server.Close()
	})
	address := server.Listener.Addr()
	return side{name: "argosy", base: "http://client", client: newClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, address.Network(), address.String())
	})}
}

// newClient shows redirects instead of following them.
func newClient(dial func(context.Context) (net.Conn, error)) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			MaxIdleConnsPerHost: 50,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
