package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/etcdnode/etcdtest"
	"argosy/edge/fleetconf"
	"argosy/edge/httpapi"
	"argosy/edge/store"
)

// readiness is what /readyz says.
func (f *fleetd) readiness() string {
	f.Helper()
	asking := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
	}}}
	answer, err := asking.Get("http://fleet/readyz")
	if err != nil {
		f.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		f.Fatal(err)
	}
	return string(text)
}

// TestInsecureIsSaid: at the start, in systemd's status, in the list of machines and
// where somebody asks whether the machine does its work, which it does.
func TestInsecureIsSaid(t *testing.T) {
	f := start(t, "insecure=true\n")
	f.until("systemd is told", func() bool { return strings.Contains(f.notices.String(), insecure+".") })
	if !strings.Contains(f.log.String(), insecure) {
		t.Errorf("the log says\n%s", f.log.String())
	}
	f.until("the list of machines says it", func() bool { return f.machine().Note == insecure })
	f.until("/readyz says it", func() bool { return f.readiness() == "ok\n[!] "+insecure+"\n" })
}

// TestAnUnguardedMemberIsSaid: what keeps the engine from deciding is said by /readyz
// and for each unit, with what to do.
func TestAnUnguardedMemberIsSaid(t *testing.T) {
	var urls []string
	for _, address := range etcdtest.Start(t) {
		urls = append(urls, "http://"+address)
	}
	s, err := store.Open(store.Config{Endpoints: urls})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	tls := fleetconf.Config{Member: true, EtcdCAFile: "ca.crt", EtcdCertFile: "a.crt", EtcdKeyFile: "a.key"}
	p := &parts{config: Config{Settings: tls}, store: s}
	said := p.closed(t.Context())
	if said != errOpen || p.secure(t.Context()) != errOpen || !strings.Contains(said.Error(), "set ETCD_ENABLE_GUARD=true") {
		t.Errorf("said: %v", said)
	}
	for name, change := range map[string]func(*fleetconf.Config){
		"a worker":        func(c *fleetconf.Config) { c.Member = false },
		"insecure":        func(c *fleetconf.Config) { c.Insecure = true },
		"no certificates": func(c *fleetconf.Config) { c.EtcdCAFile, c.EtcdCertFile, c.EtcdKeyFile = "", "", "" },
	} {
		other := tls
		change(&other)
		if err := (&parts{config: Config{Settings: other}, store: s}).closed(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	told, err := explainer{knows{}, p.closed}.Why(t.Context(), "a.service")
	if err != nil || told.Summary != "it waits" || told.Held != errOpen.Error() {
		t.Errorf("explained: %+v, %v", told, err)
	}
	if _, err := (explainer{knows{}, p.closed}).Why(t.Context(), "b.service"); !errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("a unit that is not known: %v", err)
	}
}

// knows explains one unit.
type knows struct{ httpapi.Explainer }

func (knows) Why(_ context.Context, unit cluster.UnitName) (schedule.Explanation, error) {
	if unit != "a.service" {
		return schedule.Explanation{}, cluster.ErrNotFound
	}
	return schedule.Explanation{Unit: unit, Summary: "it waits"}, nil
}
