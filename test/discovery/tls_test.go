//go:build store

package discovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/core/access"
	"argosy/edge/authority"
)

// TestProxyOverTLS: where members want certificates of clients and peers, so does
// their proxy, and shows its own.
func TestProxyOverTLS(t *testing.T) {
	w := newWorld(t)
	_, url := w.service()
	token := w.token(url, 1)
	ca, err := authority.Create(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(w.dir, name) }
	issue := func(name string, hosts ...string) {
		t.Helper()
		certPEM, keyPEM, err := ca.Issue(access.Identity{Kind: access.Member, Name: name}, hosts)
		if err := errors.Join(err, os.WriteFile(file(name+".crt"), certPEM, 0o600), os.WriteFile(file(name+".key"), keyPEM, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	issue("local", "127.0.0.1")
	join := func(n int) *process {
		name := fmt.Sprintf("core-%02d", n)
		issue(name, w.address(n), "127.0.0.1")
		client, peer := fmt.Sprintf("https://%s:2379", w.address(n)), fmt.Sprintf("https://%s:2380", w.address(n))
		return w.start(name, "etcd", "--name", name, "--data-dir", w.data(n), "--discovery", token,
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--cert-file", file(name+".crt"), "--key-file", file(name+".key"), "--trusted-ca-file", file("ca.crt"), "--client-cert-auth",
			"--peer-cert-file", file(name+".crt"), "--peer-key-file", file(name+".key"), "--peer-trusted-ca-file", file("ca.crt"), "--peer-client-cert-auth")
	}
	connect := func(n int, certificate string) *clientv3.Client {
		t.Helper()
		config, err := authority.LoadClient(file("ca.crt"), file(certificate+".crt"), file(certificate+".key"))
		if err != nil {
			t.Fatal(err)
		}
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{fmt.Sprintf("https://%s:2379", w.address(n))}, TLS: config, Logger: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	put := func(client *clientv3.Client) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := client.Put(ctx, "message", "hello")
		return err
	}
	join(1)
	w.until("the member takes a key", func() error { return put(connect(1, "local")) })
	join(2).says("falling back to proxy")
	w.until("the proxy takes a key", func() error { return put(connect(2, "local")) })
	if _, err := get(fmt.Sprintf("https://%s:2379/health", w.address(2))); err == nil {
		t.Error("the proxy lets a stranger in")
	}
}
