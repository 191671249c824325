// Package etcdtest gives a test an etcd of its own: the real server, one member,
// in the test's process, ready in under 100 ms.
package etcdtest

import (
	"crypto/tls"
	"net/url"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Start runs etcd until the test ends and returns where it answers, in plain text
// and without asking who calls. It does not sync to disk and elects within 100 ms,
// so leases may be as short as one second.
func Start(t testing.TB) (endpoints []string) {
	t.Helper()
	return start(t, "http", func(*embed.Config) {})
}

// StartTLS is Start for a test of who may do what: etcd wants a certificate of each
// client, whose common name it takes for its user's. as is the configuration of a
// client that is that user.
func StartTLS(t testing.TB) (endpoints []string, as func(user string) *tls.Config) {
	t.Helper()
	signer := newSigner(t)
	files := signer.writeServer(t)
	address := start(t, "https", func(config *embed.Config) { config.ClientTLSInfo = files })[0]
	return []string{"https://" + address}, func(user string) *tls.Config { return signer.client(t, user) }
}

func start(t testing.TB, scheme string, set func(*embed.Config)) (endpoints []string) {
	t.Helper()
	loopback := url.URL{Scheme: scheme, Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Name = "test"
	config.Dir = t.TempDir()
	config.UnsafeNoFsync = true
	config.TickMs, config.ElectionMs = 10, 100
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{loopback}, []url.URL{loopback}
	config.ListenPeerUrls, config.AdvertisePeerUrls = nil, []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}} // it has no peers
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.EnableGRPCGateway = false // it would call the port of its URL, which is 0
	// On closing, etcd logs errors of its own about what it closes.
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	set(config)

	server, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatalf("start etcd for the test: %v", err)
	}
	t.Cleanup(server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		t.Fatalf("start etcd for the test: %v", err)
	case <-t.Context().Done():
		t.Fatal("start etcd for the test: the test ended first")
	}
	return []string{server.Clients[0].Addr().String()}
}
