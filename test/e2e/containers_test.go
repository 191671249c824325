//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Containers reach the store at their bridge's address on both ports, where the
// machine's relay is told so; not before, and nobody else does.
func TestContainersReachTheStore(t *testing.T) {
	importBox(t)
	const machine, other, environment = "core-01", "core-02", "/etc/argosy/endpoint.env"
	gateway := strings.TrimSpace(cluster.must(t, machine, "sudo podman network inspect podman --format '{{(index .Subnets 0).Gateway}}'"))
	t.Cleanup(func() {
		cluster.shell(t, machine, "sudo sed -i /LISTEN/d "+environment+"; sudo systemctl restart etcd-endpoint; curl -sS -XDELETE '"+keys+"/box?recursive=true'; sudo podman rmi -af")
		cluster.shell(t, other, "sudo ip route del "+gateway+"; sudo podman rmi -af")
		cluster.shell(t, "core-03", "sudo podman rmi -af")
	})
	inBox := func(arguments string) outcome { // with the machine's own curl
		return cluster.shell(t, machine, "sudo podman run --rm -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro localhost/box /usr/bin/curl -sS --max-time 5 "+arguments)
	}
	for _, port := range []int{2379, 4001} {
		if out := inBox(fmt.Sprintf("http://%s:%d/v2/keys", gateway, port)); out.code != 7 || !strings.Contains(out.stderr, "Could not connect") {
			t.Errorf("unasked, the store answers containers on port %d: exit %d\n%s%s", port, out.code, out.stdout, out.stderr)
		}
	}

	listen := cluster.must(t, machine, "systemctl show -P Environment etcd-endpoint | tr ' ' '\\n' | grep LISTEN")
	cluster.must(t, machine, fmt.Sprintf("echo '%s,%s:2379,%[2]s:4001' | sudo tee -a %s", strings.TrimSpace(listen), gateway, environment))
	// The bridge has gone with its last container: the relay need not wait for it.
	cluster.must(t, machine, "sudo ip link del podman0; sudo systemctl restart etcd-endpoint")
	for _, port := range []int{2379, 4001} {
		eventually(t, 30*time.Second, func() error {
			out := inBox(fmt.Sprintf("-d value=%d http://%s:%[1]d/v2/keys/box", port, gateway))
			if out.code != 0 || !strings.Contains(out.stdout, `"action":"create"`) {
				return fmt.Errorf("port %d: exit %d\n%s%s", port, out.code, out.stdout, out.stderr)
			}
			return nil
		})
	}
	if out := cluster.must(t, other, "curl -sS "+keys+"/box"); !strings.Contains(out, `"value":"2379"`) || !strings.Contains(out, `"value":"4001"`) {
		t.Errorf("of what containers wrote another machine reads %s", out)
	}
	if out := cluster.must(t, machine, "curl -sS "+keys+"/box"); !strings.Contains(out, `"value":"2379"`) {
		t.Errorf("programs beside the containers read %s", out)
	}
	// Kernels take packets for any of their addresses from anywhere.
	way := strings.Fields(cluster.must(t, other, "getent hosts "+machine))[0]
	cluster.must(t, other, fmt.Sprintf("sudo ip route add %s via %s", gateway, way))
	for _, port := range []int{2379, 4001} {
		if out := cluster.shell(t, other, fmt.Sprintf("curl -sS --max-time 5 http://%s:%d/v2/keys", gateway, port)); out.code == 0 {
			t.Errorf("another machine is served at the bridge's address, port %d: %s", port, out.stdout)
		}
	}
}
