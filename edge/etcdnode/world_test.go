package etcdnode

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"argosy/core/access"
	"argosy/edge/authority"
)

const (
	machineA = "6c3a0123456789abcdef0123456789ab"
	machineB = "7d3a0123456789abcdef0123456789ab"
)

// patience bounds each wait for a state; a healthy member needs a fraction of it.
const patience = 30 * time.Second

// world is a guarded member and those who call it.
type world struct {
	testing.TB
	authority *authority.Authority
	dir       string // its certificates
	address   string
	member    Member
	faults    chan error
}

// begin runs a guarded member until the test ends, with handlers beside etcd's own.
func begin(t testing.TB, handlers map[string]http.Handler) *world {
	t.Helper()
	w := newWorld(t)
	config, err := authority.LoadServer(w.file("ca.crt"), w.file("machine.crt"), w.file("machine.key"))
	w.must(err)
	w.run(handlers, &Guard{TLS: config, IdentityOf: authority.IdentityOf, Report: func(err error) {
		select {
		case w.faults <- err:
		default:
		}
	}})
	return w
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	signer, err := authority.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, authority: signer, dir: dir, faults: make(chan error, 100)}
	w.issue("machine", access.Identity{Kind: access.Member, Name: machineA}, "127.0.0.1")
	return w
}

// run runs a member whose client port wants certificates, without a guard too.
func (w *world) run(handlers map[string]http.Handler, guard *Guard) {
	w.Helper()
	etcd := embed.NewConfig()
	etcd.Dir = w.TempDir()
	etcd.UnsafeNoFsync = true
	etcd.TickMs, etcd.ElectionMs = 10, 100
	here := []url.URL{{Scheme: "https", Host: "127.0.0.1:0"}}
	etcd.EnableGRPCGateway = false // etcd's own would call port 0
	etcd.ClientTLSInfo = transport.TLSInfo{
		CertFile: w.file("machine.crt"), KeyFile: w.file("machine.key"), TrustedCAFile: w.file("ca.crt"), ClientCertAuth: true,
	}
	etcd.ListenClientUrls, etcd.AdvertiseClientUrls = here, here
	etcd.ListenPeerUrls = nil
	etcd.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	joined, ended := make(chan Member, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Etcd: etcd, Guard: guard, Handlers: handlers,
			Beside: func(ctx context.Context, member Member) { joined <- member; <-ctx.Done() }})
	}()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	select {
	case w.member = <-joined:
	case err := <-ended:
		w.Fatalf("it ended: %v", err)
	}
	w.address = w.member.Addresses[0].String()
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

func (w *world) issue(name string, who access.Identity, hosts ...string) {
	w.Helper()
	certPEM, keyPEM, err := w.authority.Issue(who, hosts)
	err = errors.Join(err, os.WriteFile(w.file(name+".crt"), certPEM, 0o600), os.WriteFile(w.file(name+".key"), keyPEM, 0o600))
	if err != nil {
		w.Fatal(err)
	}
}

// tls is that of a client with a certificate of its own.
func (w *world) tls(who access.Identity) *tls.Config {
	w.Helper()
	name := strings.ReplaceAll(who.String(), " ", "-")
	hosts := []string(nil)
	if who.IsMachine() {
		hosts = []string{"core"}
	}
	w.issue(name, who, hosts...)
	config, err := authority.LoadClient(w.file("ca.crt"), w.file(name+".crt"), w.file(name+".key"))
	if err != nil {
		w.Fatal(err)
	}
	return config
}

// client speaks gRPC as somebody.
func (w *world) client(who access.Identity) *clientv3.Client {
	w.Helper()
	return w.connect(clientv3.Config{TLS: w.tls(who)})
}

func (w *world) connect(config clientv3.Config) *clientv3.Client {
	w.Helper()
	config.Endpoints, config.Logger = []string{w.address}, zap.NewNop()
	client, err := clientv3.New(config)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = client.Close() })
	return client
}

// curl speaks HTTP as somebody.
func (w *world) curl(who access.Identity) *http.Client {
	w.Helper()
	transport := &http.Transport{TLSClientConfig: w.tls(who)}
	w.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

var (
	asMember = access.Identity{Kind: access.Member, Name: machineA}
	asWorker = access.Identity{Kind: access.Worker, Name: machineB}
	asLocal  = access.Identity{Kind: access.Local, Name: machineA}
)

func person(name string) access.Identity { return access.Identity{Kind: access.Person, Name: name} }

// shut closes the store: etcd's users and roles, and auth.
func (w *world) shut() {
	w.Helper()
	ctx, client := w.Context(), w.client(asMember)
	for _, user := range access.StoreUsers() {
		name := string(user)
		_, err := client.RoleAdd(ctx, name)
		w.must(err)
		_, err = client.UserAddWithOptions(ctx, name, "", &clientv3.UserAddOptions{NoPassword: true})
		w.must(err)
		_, err = client.UserGrantRole(ctx, name, name)
		w.must(err)
		for _, may := range user.Permitted() {
			kind := clientv3.PermRead
			if may.Writes {
				kind = clientv3.PermReadWrite
			}
			_, err = client.RoleGrantPermission(ctx, name, may.From, may.End, clientv3.PermissionType(kind))
			w.must(err)
		}
	}
	_, err := client.AuthEnable(ctx)
	w.must(err)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// until waits for a state.
func (w *world) until(what string, reached func() error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	for {
		err := reached()
		if err == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			w.Fatalf("%s: not within %v, the last time: %v", what, patience, err)
		}
	}
}
