//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// spreading has each instance on a machine of its own.
const spreading = `[Service]
ExecStart=/usr/bin/sleep infinity

[X-Fleet]
Conflicts=web@*.service
`

// What nobody has signed who is trusted is not started, on a member or a worker, also
// where it was put into the store past the API; what runs goes on when its key is
// trusted no more. The cluster is one beside the others.
func TestSigned(t *testing.T) {
	two := signed{local{argosy: cluster.argosy, name: "signed"}}
	t.Cleanup(func() { two.do(t, "down") })
	two.do(t, "up", "--machines", "2", "--members", "1")
	two.must(t, "core-01", "for who in alice bob; do ssh-keygen -q -t ed25519 -N '' -C $who -f $who.key; done; fleetctl policy set alice.key.pub")
	two.write(t, "core-01", "/home/core/web@.service", spreading)
	two.answers(t, "core-01", "fleetctl start web@1", 1, "web@1.service is not signed; trusted: alice (SHA256:")
	two.must(t, "core-01", "fleetctl sign --key alice.key web@.service && fleetctl start web@1 web@2")
	two.pastTheAPI(t)
	two.keyGone(t)
	two.ownPolicy(t)
}

type signed struct{ local }

// notStarted waits until a machine says why a unit does not run there.
func (c signed) notStarted(t *testing.T, unit, machine, why string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		said := c.shell(t, "core-01", "fleetctl why "+unit).stdout
		if !strings.Contains(said, "On "+machine+": not started: "+why) {
			return fmt.Errorf("fleetctl why %s: %s, want %s of %s", unit, said, why, machine)
		}
		return nil
	})
	if out := c.shell(t, machine, "systemctl cat "+unit+" || sudo find /run/fleet/units -name "+unit); out.stdout != "" {
		t.Errorf("%s is on %s: %+v", unit, machine, out)
	}
}

// pastTheAPI puts units straight into the store, as root on a member can.
func (c signed) pastTheAPI(t *testing.T) {
	t.Helper()
	store := "sudo etcdctl --endpoints https://10.99.0.11:2379" + with
	for unit, machine := range map[string]string{"past-1.service": "core-01", "past-2.service": "core-02"} {
		c.write(t, "core-01", "/home/core/"+unit, sleeper+"\n[X-Fleet]\nMachineMetadata=\nMachineID="+strings.TrimSpace(c.must(t, machine, "cat /etc/machine-id"))+"\n")
		c.must(t, "core-01", "hash=$(sha1sum < "+unit+" | cut -d' ' -f1); "+store+"put /argosy/v1/contents/$hash < "+unit+" && "+
			store+`put /argosy/v1/units/`+unit+` "{\"hash\":\"$hash\",\"desired\":\"launched\",\"generation\":1,\"at\":\"2026-01-02T03:04:05Z\"}"`)
		c.notStarted(t, unit, machine, unit+" is not signed; trusted: alice (SHA256:")
	}
	c.answers(t, "core-02", "sudo etcdctl --endpoints https://10.99.0.11:2379"+with+"get /argosy/v1/policy", 1, "permission denied")
	c.must(t, "core-01", "fleetctl destroy past-1.service past-2.service")
}

// keyGone: what runs goes on, through fleetd's restart too, and is not started anew.
func (c signed) keyGone(t *testing.T) {
	t.Helper()
	before := c.pids(t)
	c.must(t, "core-01", "fleetctl policy set bob.key.pub")
	for _, machine := range []string{"core-01", "core-02"} {
		c.must(t, machine, "sudo systemctl restart fleet")
	}
	c.answers(t, "core-01", "fleetctl restart web@1", 1, "which is not trusted; trusted: bob (SHA256:")
	if after := c.pids(t); after != before || strings.Count(before, "running") != 2 {
		t.Errorf("processes\n%s\nbefore\n%s", after, before)
	}
	c.must(t, "core-01", "fleetctl stop web@1")
	c.answers(t, "core-01", "fleetctl start web@1", 1, "web@1.service is signed by SHA256:")
	c.must(t, "core-01", "fleetctl sign --key bob.key web@.service && fleetctl start --replace web@1 web@2")
	c.must(t, "core-01", "fleetctl destroy web@1 web@2")
}

// pids are the processes of the instances, machine by machine.
func (c signed) pids(t *testing.T) (all string) {
	t.Helper()
	for _, machine := range []string{"core-01", "core-02"} {
		all += c.must(t, machine, "systemctl show --property=Id,MainPID,SubState 'web@*'")
	}
	return all
}

// ownPolicy: a machine with a policy of its own goes by that, whatever the cluster's is.
func (c signed) ownPolicy(t *testing.T) {
	t.Helper()
	c.must(t, "core-01", "fleetctl policy off")
	c.write(t, "core-02", "/home/core/policy", c.must(t, "core-01", "cat alice.key.pub"))
	c.must(t, "core-02", "sudo install -m 644 policy /etc/argosy/policy")
	worker := strings.TrimSpace(c.must(t, "core-02", "cat /etc/machine-id"))
	c.write(t, "core-01", "/home/core/here.service", sleeper+"\n[X-Fleet]\nMachineID="+worker+"\n")
	c.answers(t, "core-01", "fleetctl start here.service", 1, "on core-02: not started: here.service is not signed; trusted: alice (SHA256:")
	c.notStarted(t, "here.service", "core-02", "here.service is not signed")
	c.must(t, "core-01", "fleetctl sign --key alice.key here.service && fleetctl start --replace here.service && fleetctl unload here.service")
	c.must(t, "core-02", "sudo chmod 666 /etc/argosy/policy")
	c.answers(t, "core-01", "fleetctl start here.service", 1, "/etc/argosy/policy may be written by others than its owner: its mode is 0666; expected 0644")
}
