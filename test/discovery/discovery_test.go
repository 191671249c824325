//go:build store

package discovery

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMachinesBecomeACluster: four machines start with one URL. One of them is
// killed while it waits, one finds the cluster full and serves it as a proxy,
// and after that nobody needs the service.
func TestMachinesBecomeACluster(t *testing.T) {
	w := newWorld(t)
	service, url := w.service()
	token := w.token(url, 3)
	join := func(n int) *process {
		return w.start(fmt.Sprintf("machine %d", n), "etcd", w.machine(n, "--discovery", token)...)
	}
	first := join(1)
	first.says("1 of 3 members have registered")
	second := join(2)
	second.says("2 of 3 members have registered")
	second.kill()
	second = join(2)
	second.says("2 of 3 members have registered")
	third := join(3)
	for n := 1; n <= 3; n++ {
		w.members(n, 1, 2, 3)
	}
	fourth := join(4)
	fourth.says("discovery cluster full, falling back to proxy")
	w.members(4, 1, 2, 3)
	w.writes(4, 1)

	// The service is not needed any more.
	service.kill()
	for _, p := range []*process{third, fourth} {
		p.stop()
	}
	third, fourth = join(3), join(4)
	third.says("discovery token ignored since a cluster has already been initialized. Valid log found at")
	fourth.says("discovery token ignored since the proxy has already been initialized. Valid cluster file found at")
	w.members(3, 1, 2, 3)
	w.writes(4, 3)
	first.kill()
	w.until("the proxy goes on with the others", func() error {
		_, err := get(w.client(4) + "/v2/keys/message?quorum=true")
		return err
	})
}

// TestDebiansEtcd: three unmodified etcd 3.4 form a cluster through the service,
// and a fourth is their proxy, which speaks v2 only.
func TestDebiansEtcd(t *testing.T) {
	w := newWorld(t)
	_, url := w.service()
	token := w.token(url, 3)
	for n := 1; n <= 4; n++ {
		p := w.start(fmt.Sprintf("etcd 3.4 on machine %d", n), "debian", w.machine(n, "--discovery", token)...)
		if n == 3 {
			w.members(1, 1, 2, 3)
		}
		if n == 4 {
			p.says("falling back to proxy")
		}
	}
	w.writesV2(4, 1)
}

// TestMessages: what etcd 3.4 says where it cannot join, and what ours says.
func TestMessages(t *testing.T) {
	w := newWorld(t)
	_, url := w.service()
	full, twice := w.token(url, 1), w.token(url, 2)
	w.start("the one member", "debian", w.machine(1, "--discovery", full)...)
	w.members(1, 1)
	waiting := w.start("one that waits", "etcd", w.machine(2, "--discovery", twice)...)
	waiting.says("1 of 2 members have registered")
	unknown := url + "/0123456789abcdef0123456789abcdef"
	for _, program := range []string{"debian", "etcd"} {
		for _, c := range []struct {
			machine   int // whose ID and name it has
			token     string
			arguments string
			want      string // what both say
		}{
			{3, full, "--discovery-fallback=exit", "failed to join discovery cluster (discovery: cluster is full)"},
			{3, full, "--discovery-fallback=exit", "please generate a new discovery token and try to bootstrap again."},
			{2, twice, "", `member "core-02" has previously registered with discovery service token (` + twice + `).`},
			{2, twice, "", "or use a new discovery token if the previous bootstrap failed."},
			{3, unknown, "", "100: Key not found (/_etcd/registry/0123456789abcdef0123456789abcdef) ["},
			{3, unknown, "", "discovery token " + unknown + " was used, but failed to bootstrap the cluster."},
			{3, url + "/none", "", "failed to join discovery cluster (discovery: bad discovery endpoint)"},
		} {
			arguments := append(w.machine(c.machine, "--discovery", c.token), strings.Fields(c.arguments)...)
			arguments = append(arguments, "--data-dir", filepath.Join(t.TempDir(), "data"))
			for i, argument := range arguments { // it is another machine's
				arguments[i] = strings.Replace(argument, w.client(c.machine), w.client(8), 1)
			}
			p := w.start(program+" as machine "+fmt.Sprint(c.machine), program, arguments...)
			p.ends(1)
			p.says(c.want)
		}
	}
	// A second one of the same name is found out by both when they are complete.
	double := w.start("a double", "etcd", append(w.machine(3, "--discovery", twice), "--name=core-02")...)
	for _, p := range []*process{waiting, double} {
		p.ends(1)
		p.says("failed to join discovery cluster (discovery: found duplicate name)")
		p.says("member with duplicated name has registered with discovery service token(" + twice + ").")
	}
	// A token that has ended is one that never was. Whoever holds one may end it.
	if _, err := set(twice+"?dir=true&prevExist=true&ttl=1", ""); err != nil {
		t.Fatal(err)
	}
	w.until("the token ends", func() error {
		if body, err := get(twice); err == nil {
			return fmt.Errorf("it holds %s", body)
		}
		return nil
	})
	late := w.start("a late one", "etcd", w.machine(4, "--discovery", twice)...)
	late.ends(1)
	late.says("failed to join discovery cluster (discovery: size key not found: 100: Key not found (")
}

// TestDiscoveryOfV3: etcd's own v3 discovery works with the etcd that the
// service runs on.
func TestDiscoveryOfV3(t *testing.T) {
	w := newWorld(t)
	w.service()
	const token = "0123456789abcdef0123456789abcdef"
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := w.connect(serviceAt).Put(ctx, "/_etcd/registry/"+token+"/_config/size", "3"); err != nil {
		t.Fatal(err)
	}
	join := func(n int) *process {
		return w.start(fmt.Sprintf("machine %d", n), "etcd", w.machine(n, "--discovery-token", token, "--discovery-endpoints", w.client(serviceAt))...)
	}
	for n := 1; n <= 3; n++ {
		join(n)
	}
	for n := 1; n <= 3; n++ {
		w.members(n, 1, 2, 3)
	}
	fourth := join(4)
	fourth.ends(1)
	fourth.says("discovery: cluster is full")
}

// TestAnEtcdOfItsOwn: without --etcd the service runs one in its process, and
// what it keeps outlives it.
func TestAnEtcdOfItsOwn(t *testing.T) {
	w := newWorld(t)
	where := w.address(serviceAt) + ":8087"
	run := func() *process {
		p := w.startIn([]string{
			"ARGOSY_DISCOVERY_HOST=http://" + where, "ARGOSY_DISCOVERY_ADDR=" + where, "ETCD_LOG_LEVEL=warn",
			"ETCD_LISTEN_CLIENT_URLS=" + w.client(serviceAt), "ETCD_ADVERTISE_CLIENT_URLS=" + w.client(serviceAt),
			"ETCD_LISTEN_PEER_URLS=" + w.peer(serviceAt), "ETCD_INITIAL_ADVERTISE_PEER_URLS=" + w.peer(serviceAt),
			"ETCD_INITIAL_CLUSTER=discovery=" + w.peer(serviceAt),
		}, "service", "discovery")
		w.until("the service is well", func() error {
			_, err := get("http://" + where + "/health")
			return err
		})
		return p
	}
	service := run()
	token := w.token("http://"+where, 1)
	service.stop()
	if _, err := os.Stat(filepath.Join(w.dir, "discovery.etcd", "member")); err != nil {
		t.Error(err)
	}
	run()
	w.start("machine 1", "etcd", w.machine(1, "--discovery", token)...)
	w.members(1, 1)
}
