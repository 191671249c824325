//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDiscoveryOnACluster: the service keeps its tokens in the cluster's own
// store, by way of the relay, and two more etcds on other machines find each
// other by it, also while a member of that store is stopped.
func TestDiscoveryOnACluster(t *testing.T) {
	const service = "http://10.99.0.11:8087"
	t.Cleanup(func() {
		for _, machine := range allMachines {
			cluster.shell(t, machine, "sudo systemctl stop discovery found; sudo rm -rf /run/found; sudo systemctl start etcd")
		}
		cluster.shell(t, "core-01", "curl -sS -XDELETE '"+keys+"/_etcd?recursive=true'")
		cluster.whole(t, "hello@", 3)
	})
	cluster.must(t, "core-01", "sudo systemd-run --unit=discovery --collect argosy discovery --etcd http://127.0.0.1:2379 --addr 10.99.0.11:8087 --host "+service)
	var token string
	eventually(t, 30*time.Second, func() error {
		out := cluster.shell(t, "core-02", "curl -sSf '"+service+"/new?size=2'")
		if token = out.stdout; !strings.HasPrefix(token, service+"/") {
			return fmt.Errorf("no token: %s%s", out.stdout, out.stderr)
		}
		return nil
	})
	found := func(machine, address string) {
		t.Helper()
		cluster.must(t, machine, fmt.Sprintf("sudo systemd-run --unit=found --collect argosy etcd --name %s --data-dir /run/found --discovery %s"+
			" --listen-client-urls http://%[3]s:12379 --advertise-client-urls http://%[3]s:12379"+
			" --listen-peer-urls http://%[3]s:12380 --initial-advertise-peer-urls http://%[3]s:12380", machine, token, address))
	}
	found("core-02", "10.99.0.12")
	cluster.must(t, "core-01", "sudo systemctl stop etcd")
	found("core-03", "10.99.0.13")
	eventually(t, 60*time.Second, func() error {
		out := cluster.shell(t, "core-01", "ETCDCTL_API=3 etcdctl --endpoints http://10.99.0.12:12379 member list")
		if strings.Count(out.stdout, "started, core-0") != 2 {
			return fmt.Errorf("the members are %s%s", out.stdout, out.stderr)
		}
		return nil
	})
}
