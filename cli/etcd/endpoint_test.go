package etcd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/endpoint"
	"argosy/edge/host"
)

// TestMembersAreReadAgain: a relay that is told to goes on with the members that the
// file adds, and stays as it was where the file makes no sense.
func TestMembersAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "members")
	given := endpointFlags{members: []string{"https://10.0.0.1:2379"}, membersFile: file}
	if now, err := given.known(); err != nil || !slices.Equal(now, []string{"10.0.0.1:2379"}) {
		t.Errorf("without a file: %q, %v", now, err)
	}
	again, updates := make(chan os.Signal), make(chan []string)
	var faults bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() {
		given.follow(ctx, again, updates, &faults)
		close(ended)
	}()
	if err := host.WriteMembers(file, []string{"https://10.0.0.2:2379"}); err != nil {
		t.Fatal(err)
	}
	again <- os.Interrupt
	if now := <-updates; !slices.Equal(now, []string{"10.0.0.1:2379", "10.0.0.2:2379"}) {
		t.Errorf("the members are %q", now)
	}
	if err := host.WriteMembers(file, []string{"waste"}); err != nil {
		t.Fatal(err)
	}
	again <- os.Interrupt
	again <- os.Interrupt // taken when the first is done with
	stop()
	<-ended
	if !strings.Contains(faults.String(), "the members stay as they were: ") {
		t.Errorf("told %q", faults.String())
	}
}

// TestTheRelayRefusesAWorkerAsAMember: another machine of the cluster that has taken a
// member's address is not asked, though the authority has issued its certificate.
func TestTheRelayRefusesAWorkerAsAMember(t *testing.T) {
	for kind, refusal := range map[access.Kind]string{
		access.Member: "", access.Worker: "its certificate is that of worker " + worker + ", not of a member",
	} {
		p := newPKI(t)
		name := map[access.Kind]string{access.Member: machine, access.Worker: worker}[kind]
		server, serverKey := p.issue(access.Identity{Kind: kind, Name: name}, "127.0.0.1")
		own, ownKey := p.issue(access.Identity{Kind: access.Local, Name: machine})
		authorities := filepath.Join(p.dir, authority.CertificateFile)
		shows, err := authority.LoadServer(authorities, server, serverKey)
		if err != nil {
			t.Fatal(err)
		}
		expects, err := endpointFlags{cacert: authorities, cert: own, key: ownKey}.secrets()
		if err != nil {
			t.Fatal(err)
		}
		store := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the store") }))
		store.TLS = shows
		store.StartTLS()
		listeners, err := endpoint.Listen(t.Context(), []string{"127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		config := endpoint.Config{Members: []string{store.Listener.Addr().String()}, Listeners: listeners, TLS: expects}
		go func() { ended <- endpoint.Run(ctx, config) }()
		answer, err := http.Get("http://" + listeners[0].Addr().String() + "/version")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if refusal == "" && string(text) != "the store" || refusal != "" && (answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), refusal)) {
			t.Errorf("a %s as the store: %d %s", kind, answer.StatusCode, text)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		store.Close()
	}
}
