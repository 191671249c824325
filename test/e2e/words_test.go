//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// machineOf is the name of the machine that a unit runs on, by list-units.
func (c local) machineOf(t *testing.T, unit string) string {
	t.Helper()
	names := c.machineNames(t, "core-01")
	for _, row := range c.listUnits(t, "core-01") {
		if row.Unit == unit {
			return names[row.Machine]
		}
	}
	t.Fatalf("list-units has no %s", unit)
	return ""
}

// startUnit writes and starts one unit and destroys it when the test ends.
func (c local) startUnit(t *testing.T, name, text string) outcome {
	t.Helper()
	c.write(t, "core-01", "/home/core/"+name, text)
	t.Cleanup(func() { c.shell(t, "core-01", "fleetctl destroy "+name+"; rm -f "+name) })
	return c.shell(t, "core-01", "fleetctl start "+name)
}

// placed is startUnit for a unit that must get a machine; it says which.
func (c local) placed(t *testing.T, name, text string) string {
	t.Helper()
	if out := c.startUnit(t, name, text); out.code != 0 {
		t.Fatalf("start %s: exit %d\n%s%s", name, out.code, out.stdout, out.stderr)
	}
	return c.machineOf(t, name)
}

func TestMachineID(t *testing.T) {
	id := strings.TrimSpace(cluster.must(t, "core-03", "cat /etc/machine-id"))
	if got := cluster.placed(t, "byid.service", sleeper+"\n[X-Fleet]\nMachineID="+id+"\n"); got != "core-03" {
		t.Errorf("it runs on %s, not on core-03", got)
	}
	if out := cluster.startUnit(t, "nowhere.service", sleeper+"\n[X-Fleet]\nMachineID="+strings.Repeat("0", 32)+"\n"); out.code != 4 {
		t.Errorf("a machine that is not there: exit %d, expected 4\n%s%s", out.code, out.stdout, out.stderr)
	}
}

func TestMachineOf(t *testing.T) {
	peer := cluster.placed(t, "peer.service", sleeper)
	if got := cluster.placed(t, "beside.service", sleeper+"\n[X-Fleet]\nMachineOf=peer.service\n"); got != peer {
		t.Errorf("it runs on %s, its peer on %s", got, peer)
	}
}

func TestMachineMetadata(t *testing.T) {
	unit := sleeper + "\n[X-Fleet]\nMachineMetadata=region=south\n"
	if out := cluster.startUnit(t, "south.service", unit); out.code != 4 || !strings.Contains(out.stdout+out.stderr, "region=south") {
		t.Errorf("no machine is in the south: exit %d, expected 4 and the reason\n%s%s", out.code, out.stdout, out.stderr)
	}
	t.Cleanup(func() {
		cluster.must(t, "core-02", "sudo sed -i /^metadata=.region=south/d /etc/fleet/fleet.conf && sudo systemctl restart fleet")
	})
	cluster.must(t, "core-02", `sudo sed -i '1i metadata="region=south"' /etc/fleet/fleet.conf && sudo systemctl restart fleet`)
	eventually(t, 30*time.Second, func() error {
		names := cluster.machineNames(t, "core-01")
		for _, row := range cluster.listUnits(t, "core-01") {
			if row.Unit == "south.service" && row.Active == "active" && names[row.Machine] == "core-02" {
				return nil
			}
		}
		return fmt.Errorf("south.service is not active on core-02 though that is in the south now")
	})
}

func TestGlobal(t *testing.T) {
	cluster.startUnit(t, "everywhere.service", sleeper+"\n[X-Fleet]\nGlobal=true\n")
	eventually(t, 30*time.Second, func() error {
		if pids := cluster.mainPIDs(t, "everywhere"); len(pids) != 3 {
			return fmt.Errorf("it runs on %v, expected on all three", pids)
		}
		return nil
	})
}
