package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	core "argosy/core/discovery"
	"argosy/edge/discovery"
)

func machine(n int) discovery.Machine {
	return discovery.Machine{ID: fmt.Sprintf("%016x", n), URLs: fmt.Sprintf("m%d=http://10.0.0.%d:2380", n, n)}
}

// joined is what came of a machine's Join.
type joined struct {
	machine int
	cluster string
	err     error
}

// join has a machine look for its cluster; what it says goes to told.
func join(t testing.TB, url string, m discovery.Machine, tell func(string)) (string, error) {
	t.Helper()
	client, err := discovery.NewClient(url, "", tell)
	if err != nil {
		t.Fatal(err)
	}
	return client.Join(t.Context(), m)
}

func nothing(string) {}

// TestJoin: of five machines that come at the same moment three find the same
// cluster, the others find it full, and whoever comes later does, too.
func TestJoin(t *testing.T) {
	t.Parallel()
	service := serve(t, etcd(t), discovery.Config{TTL: discovery.TTL})
	url := service + "/" + newToken(t, service, "?size=3")
	all := make(chan joined)
	for n := range 5 {
		go func() {
			cluster, err := join(t, url, machine(n), nothing)
			all <- joined{n, cluster, err}
		}()
	}
	var cluster string
	var full int
	for range 5 {
		switch j := <-all; {
		case errors.Is(j.err, core.ErrFullCluster):
			full++
		case j.err != nil:
			t.Errorf("machine %d: %v", j.machine, j.err)
		case cluster == "":
			cluster = j.cluster
			fallthrough
		default:
			if j.cluster != cluster || !strings.Contains(","+cluster+",", ","+machine(j.machine).URLs+",") {
				t.Errorf("machine %d found %s, another %s", j.machine, j.cluster, cluster)
			}
		}
	}
	if full != 2 || strings.Count(cluster, "=") != 3 {
		t.Errorf("%d found it full, the members are %s", full, cluster)
	}
	if _, err := join(t, url, machine(9), nothing); !errors.Is(err, core.ErrFullCluster) {
		t.Errorf("a late one: %v", err)
	}
	if nodes := ask(t, "GET", url+"/"+machine(9).ID, ""); nodes.StatusCode != http.StatusNotFound {
		t.Errorf("it has registered all the same: %v", nodes)
	}
	client, err := discovery.NewClient(url, "", nothing)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.Cluster(t.Context()); err != nil || got != cluster {
		t.Errorf("a proxy is told %s, %v", got, err)
	}
}

// TestRefusals have the messages of etcd 2.
func TestRefusals(t *testing.T) {
	store := etcd(t)
	service := serve(t, store, discovery.Config{})
	set := func(token, key, value string) {
		t.Helper()
		if answer := ask(t, "PUT", store+"/v2/keys/_etcd/registry/"+token+"/"+key, "value="+url.QueryEscape(value)); answer.StatusCode > 201 {
			t.Fatalf("%v", answer)
		}
	}
	duplicated, renamed, bad, lost := newToken(t, service, ""), newToken(t, service, "?size=2"), newToken(t, service, ""), newToken(t, service, "")
	set(duplicated, machine(1).ID, machine(1).URLs)
	set(renamed, machine(2).ID, "m1=http://10.0.0.2:2380")
	set(bad, "_config/size", "many")
	ask(t, "DELETE", store+"/v2/keys/_etcd/registry/"+lost+"/_config/size", "")
	wrong := newToken(t, service, "?size=2")
	set(wrong, machine(2).ID, "nonsense")
	for _, c := range []struct{ name, path, want string }{
		{"the same ID", duplicated, "discovery: found duplicate id"},
		{"the same name", renamed, "discovery: found duplicate name"},
		{"a bad size", bad, "discovery: size key is bad"},
		{"no size", lost, "discovery: size key not found: 100: Key not found (/_etcd/registry/" + lost + "/_config/size) ["},
		{"an unknown token", nobodys, "discovery: size key not found: 100: Key not found (/_etcd/registry/" + nobodys + ") ["},
		{"no token", "new", "discovery: bad discovery endpoint"},
		{"a bad registration", wrong, "discovery: invalid URL"},
	} {
		_, err := join(t, service+"/"+c.path, machine(1), nothing)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	// One that has registered before, as itself, goes on; another's it does not take.
	for _, c := range []struct {
		urls string
		want error
	}{{machine(1).URLs, context.Canceled}, {"m1=http://10.9.9.9:2380", core.ErrDuplicateID}} {
		client, err := discovery.NewClient(service+"/"+duplicated, "", nothing)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		again := discovery.Machine{ID: machine(1).ID, URLs: c.urls, Again: true, Registered: func() error { cancel(); return nil }}
		if _, err := client.Join(ctx, again); !errors.Is(err, c.want) {
			t.Errorf("again as %s: %v, want %v", c.urls, err, c.want)
		}
		cancel()
	}
}

// TestServiceComesBack: a machine outlasts answers that are lost, also those to
// its registration, and waits that are cut.
func TestServiceComesBack(t *testing.T) {
	t.Parallel()
	service := serve(t, etcd(t), discovery.Config{})
	behind, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	var failed [3]atomic.Bool
	once := func(i int) bool { return !failed[i].Swap(true) }
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.FlushInterval = -1
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/size") && once(0):
			http.Error(w, "starting", http.StatusBadGateway)
		case r.Method == http.MethodPut && once(1):
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // registered, and the answer is lost
		case r.URL.Query().Has("wait") && once(2):
			w.WriteHeader(http.StatusOK) // something on the way gave up
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	defer func() {
		flaky.CloseClientConnections()
		flaky.Close()
	}()
	token := newToken(t, service, "?size=2")
	told := make(chan string, 100)
	first := make(chan joined)
	go func() {
		cluster, err := join(t, flaky.URL+"/"+token, machine(1), func(line string) { told <- line })
		first <- joined{1, cluster, err}
	}()
	var waits int
	for line := range told {
		if strings.HasPrefix(line, "wait for other machines: ") {
			break // the cut one; the next stands
		}
		if waits++; waits > 50 {
			t.Fatalf("it says %s", line)
		}
	}
	second, err := join(t, service+"/"+token, machine(2), nothing)
	if j := <-first; err != nil || j.err != nil || j.cluster != second || second != machine(1).URLs+","+machine(2).URLs {
		t.Errorf("one found %s, %v, the other %s, %v", j.cluster, j.err, second, err)
	}
}

// TestExpired: a token that ends while machines wait is one that is not there.
func TestExpired(t *testing.T) {
	t.Parallel()
	service := serve(t, etcd(t), discovery.Config{TTL: time.Second})
	url := service + "/" + newToken(t, service, "?size=2")
	_, err := join(t, url, machine(1), nothing)
	if !errors.Is(err, core.ErrSizeNotFound) {
		t.Errorf("it found %v", err)
	}
}

func TestDiscoveryURLs(t *testing.T) {
	for _, c := range []struct{ url, proxy, want string }{
		{"10.0.0.1:8087/x", "", "read the discovery URL: "},
		{"http://10.0.0.1:8087", "", "is not like http://10.0.0.1:8087/TOKEN"},
		{"http://10.0.0.1:8087/", "", "is not like http://10.0.0.1:8087/TOKEN"},
		{"ftp://10.0.0.1/x", "", "is not like http://10.0.0.1:8087/TOKEN"},
		{"http://%zz/x", "", "read the discovery URL: "},
		{"http://a/x", "http://%zz", "read the discovery proxy's URL: "},
	} {
		if _, err := discovery.NewClient(c.url, c.proxy, nothing); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s by %s: %v", c.url, c.proxy, err)
		}
	}
	// A proxy may be without a scheme, and is used.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "through "+r.URL.Host, http.StatusForbidden)
	}))
	defer proxy.Close()
	client, err := discovery.NewClient("http://nowhere.example.com/x", strings.TrimPrefix(proxy.URL, "http://"), nothing)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Cluster(t.Context()); !errors.Is(err, core.ErrBadEndpoint) {
		t.Errorf("through a proxy: %v", err)
	}
}
