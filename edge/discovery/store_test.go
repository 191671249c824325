package discovery_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/discovery"
)

// TestNoStore: what is wrong with the store is said, and its address is not.
func TestNoStore(t *testing.T) {
	none, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + none.Addr().String()
	_ = none.Close()
	faults := make(chan error, 10)
	service := serve(t, gone, discovery.Config{Report: func(err error) { faults <- err }})
	for _, path := range []string{"/new", "/health", "/" + nobodys} {
		if answer := ask(t, "GET", service+path, ""); answer.StatusCode != 503 || answer.body != "the store does not answer\n" {
			t.Errorf("%s: %v", path, answer)
		}
		if err := <-faults; !strings.Contains(err.Error(), gone[len("http://"):]) {
			t.Errorf("%s: told %v", path, err)
		}
	}
	// Another member takes over.
	both := serve(t, gone+","+etcd(t), discovery.Config{})
	token := newToken(t, both, "")
	if answer := ask(t, "PUT", both+"/"+token+"/1", "value=x"); answer.StatusCode != 201 {
		t.Errorf("with one member gone: %v", answer)
	}
	// An etcd without the v2 API.
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	service = serve(t, plain.URL, discovery.Config{Report: func(err error) { faults <- err }})
	ask(t, "GET", service+"/new", "")
	if err := <-faults; !strings.Contains(err.Error(), "is etcd's v2 API enabled?") {
		t.Errorf("told %v", err)
	}
}

// TestStoreOverTLS: a cluster that wants certificates gets one.
func TestStoreOverTLS(t *testing.T) {
	behind, err := url.Parse(etcd(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca, err := authority.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	for name, use := range map[string]access.Kind{"member": access.Member, "service": access.Person} {
		certPEM, keyPEM, err := ca.Issue(access.Identity{Kind: use, Name: name}, []string{"127.0.0.1"})
		if err := errors.Join(err, os.WriteFile(file(name+".crt"), certPEM, 0o600), os.WriteFile(file(name+".key"), keyPEM, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	member := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(behind))
	server, err := authority.LoadServer(file("ca.crt"), file("member.crt"), file("member.key"))
	if err != nil {
		t.Fatal(err)
	}
	member.Config.ErrorLog = log.New(io.Discard, "", 0)
	member.Listener = tls.NewListener(member.Listener, server)
	member.Start()
	defer member.Close()
	secured := "https://" + member.Listener.Addr().String()
	config, err := authority.LoadClient(file("ca.crt"), file("service.crt"), file("service.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := discovery.NewStore(secured, config)
	if err != nil {
		t.Fatal(err)
	}
	service := serve(t, "", discovery.Config{Store: store})
	newToken(t, service, "")
	// One without a certificate is not let in.
	faults := make(chan error, 1)
	stranger := serve(t, secured, discovery.Config{Report: func(err error) { faults <- err }})
	if answer := ask(t, "GET", stranger+"/health", ""); answer.StatusCode != 503 {
		t.Errorf("a stranger: %v", answer)
	}
	if err := <-faults; !strings.Contains(err.Error(), "certificate") {
		t.Errorf("told %v", err)
	}
}

func TestStoreURLs(t *testing.T) {
	for _, given := range []string{"", "127.0.0.1:2379", "http://", "unix://x", "http://a:1/path", "http://a:1,"} {
		if _, err := discovery.NewStore(given, nil); err == nil || !strings.HasPrefix(err.Error(), "read the URL of etcd: ") {
			t.Errorf("%q: %v", given, err)
		}
	}
}

// TestStopFinishesWhatItBegan: a request on its way when the service stops is
// answered as it came out.
func TestStopFinishesWhatItBegan(t *testing.T) {
	asked, release := make(chan bool), make(chan bool)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- true
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	defer slow.Close()
	store, err := discovery.NewStore(slow.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- discovery.Serve(ctx, listener, discovery.Config{
			Store: store, Connections: 8, Patience: discovery.Patience, Report: func(err error) { t.Error(err) },
		})
	}()
	said := make(chan string)
	go func() { said <- ask(t, "GET", "http://"+listener.Addr().String()+"/"+nobodys, "").body }()
	<-asked
	stop()
	for { // until nobody new is let in
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		_ = connection.Close()
	}
	release <- true
	if got := <-said; got != "done" {
		t.Errorf("it was told %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
