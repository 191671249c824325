package fleetctl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/contexts"
)

// loggedIn gives the test a home, an account, and a context of it that is in use.
func (w *world) loggedIn(account access.Account) {
	w.Helper()
	home := w.TempDir()
	w.Setenv("XDG_CONFIG_HOME", home)
	must(w.store.PutAccount(w.Context(), account))(w.T)
	cert, key, err := w.ours.Issue(access.Identity{Kind: access.Person, Name: account.Name}, nil)
	if err != nil {
		w.Fatal(err)
	}
	files := map[string][]byte{"ca": w.ours.Certificate(), "cert": cert, "key": key}
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(home, name), text, 0o600))
	}
	if err != nil {
		w.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(home, name) }
	w.want(runFleetctl(w.Context(), "context", "add", "prod", "--members", w.machines[0].API, "--ca", in("ca"), "--cert", in("cert"), "--key", in("key")), 0, "", "")
	w.eventually(func() error {
		if got := runFleetctl(w.Context(), "list-units"); got.code != 0 {
			return fmt.Errorf("the API has not heard of %s: %+v", account.Name, got)
		}
		return nil
	})
}

func TestContext(t *testing.T) {
	w := newWorld(t)
	files(t, "web.service", "db.service")
	w.loggedIn(access.Account{Name: "wendy", Role: access.Operator, Units: []string{"web*"}})
	fleetctl := func(args ...string) said { return runFleetctl(t.Context(), args...) }
	w.want(fleetctl("start", "web"), 0, "Unit web.service launched on 148a18ff.../10.10.1.1\n", "")
	stored, _, err := w.store.Unit(t.Context(), "web.service")
	if err != nil || !strings.HasPrefix(stored.By, "wendy") {
		t.Errorf("stored by %q, %v", stored.By, err)
	}
	w.want(fleetctl("start", "db"), 1, "", "wendy may change units called web*, and not db.service")

	// Through this machine to a member; and as whoever the socket takes one for.
	w.want(fleetctl("--context", "prod", "--endpoint", "unix://"+w.socket, "start", "db"), 1, "", "wendy may change units called web*, and not db.service")
	w.want(fleetctl("--endpoint", "unix://"+w.socket, "submit", "db"), 0, "Unit db.service inactive\n", "")
	t.Setenv("ARGOSY_CONTEXT", "other")
	w.want(fleetctl("list-machines"), 2, "", `there is no context "other": log in`)
	t.Setenv("ARGOSY_CONTEXT", "prod")
	w.want(fleetctl("--ca-file", "a", "--cert-file", "b", "--key-file", "c", "list-machines"), 2, "", "give one or the other")
	t.Setenv("ARGOSY_CONTEXT", "")

	// Out within seconds.
	watch := make(chan said, 1)
	go func() { watch <- fleetctl("journal", "-f", "web") }()
	w.says["core-01"] <- "hello"
	must(w.store.Revoke(t.Context(), access.Subject{Person: "wendy"}, "alice", time.Now()))(t)
	if got := <-watch; got.code != 1 || !strings.Contains(got.err, "the certificate of person wendy is revoked") {
		t.Errorf("a journal that was open: %+v", got)
	}
	w.want(fleetctl("list-units"), 1, "", "the certificate of person wendy is revoked")
}

func TestContexts(t *testing.T) {
	w := newWorld(t)
	w.loggedIn(access.Account{Name: "victor", Role: access.Viewer})
	fleetctl := func(args ...string) said { return runFleetctl(t.Context(), args...) }
	if got := fleetctl("context", "list", "--no-legend"); got.code != 0 || !strings.HasPrefix(got.out, "prod\tyes\tvictor\t20") || !strings.HasSuffix(got.out, w.machines[0].API+"\n") {
		t.Errorf("%+v", got)
	}
	folder := must(contexts.Default())(t)
	if err := os.WriteFile(filepath.Join(string(folder), "contexts", "prod", "members"), []byte("10.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(fleetctl("list-machines"), 2, "", `prod/members:1: "10.0.0.1" is no HOST:PORT`)
	if got := fleetctl("context", "list"); got.code != 0 || !strings.Contains(got.out, "is no HOST:PORT") {
		t.Errorf("%+v", got)
	}
	w.want(fleetctl("context", "use", "other"), 3, "", `there is no context "other"`)
	w.want(fleetctl("context", "use", "../prod"), 1, "", "is no context's name")
	w.want(fleetctl("context", "rm", "prod"), 0, "", "")
	w.want(fleetctl("context", "rm", "prod"), 3, "", `there is no context "prod"`)
}

// TestOtherMachinesAreNotAsked: a certificate of the cluster is not enough to be
// told what a person asks.
func TestOtherMachinesAreNotAsked(t *testing.T) {
	w := newWorld(t)
	w.loggedIn(access.Account{Name: "alice", Role: access.Admin})
	at := w.workerPort()
	if got := runFleetctl(t.Context(), "--context", "prod", "--endpoint", "https://"+at, "list-units"); got.code == 0 || !strings.Contains(got.err, "its certificate is that of worker ") {
		t.Errorf("%+v", got)
	}
}

// workerPort shows the certificate of a machine that is no member.
func (w *world) workerPort() string {
	w.Helper()
	keys := w.TempDir()
	cert, key, err := w.ours.Issue(access.Identity{Kind: access.Worker, Name: string(worldIDs[0])}, []string{"127.0.0.1"})
	files := map[string][]byte{"ca": w.ours.Certificate(), "cert": cert, "key": key}
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(keys, name), text, 0o600))
	}
	if err != nil {
		w.Fatal(err)
	}
	config := must(authority.LoadServer(filepath.Join(keys, "ca"), filepath.Join(keys, "cert"), filepath.Join(keys, "key")))(w.T)
	l := must(tls.Listen("tcp", "127.0.0.1:0", config))(w.T)
	w.background(func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { _ = l.Close() })()
		for {
			conn, err := l.Accept()
			if err != nil {
				return nil // closed
			}
			_ = conn.(*tls.Conn).HandshakeContext(ctx)
			_ = conn.Close()
		}
	})
	return l.Addr().String()
}
