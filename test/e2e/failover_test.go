//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// runsElsewhere says whether all units of prefix run on machines but lost.
func runsElsewhere(t *testing.T, prefix, lost, from string, units int) error {
	names := cluster.machineNames(t, from)
	running := map[string]string{}
	for _, row := range cluster.listUnits(t, from) {
		if strings.HasPrefix(row.Unit, prefix) && row.Active == "active" {
			running[row.Unit] = names[row.Machine]
		}
	}
	for unit, machine := range running {
		if machine == lost || machine == "" {
			return fmt.Errorf("%s is still said to be on %s", unit, lost)
		}
	}
	if len(running) != units {
		return fmt.Errorf("%d of %d units run: %v", len(running), units, running)
	}
	return nil
}

func TestKilledMachinesUnitsRunElsewhere(t *testing.T) {
	cluster.startInstances(t, "failover@.service", sleeper, "1", "2", "3", "4", "5", "6")
	cluster.whole(t, "failover@", 6)
	before := cluster.mainPIDs(t, "failover@")
	killed := time.Now()
	cluster.do(t, "chaos", "kill", "core-02")
	eventually(t, time.Minute, func() error { return runsElsewhere(t, "failover@", "core-02", "core-01", 6) })
	t.Logf("active elsewhere %.1f s after SIGKILL", time.Since(killed).Seconds())
	cluster.do(t, "chaos", "start", "core-02")
	cluster.whole(t, "failover@", 6)
	// Nothing moved needlessly: what ran on the others still does.
	now := cluster.mainPIDs(t, "failover@")
	for at, pid := range before {
		if !strings.HasPrefix(at, "core-02/") && now[at] != pid {
			t.Errorf("%s had PID %s and has %q: it was touched though its machine lived", at, pid, now[at])
		}
	}
}

// A machine that is back before two others have missed it for long enough keeps its
// units; else they run elsewhere, and it comes back to none of them.
func TestMachineThatBootsAtOnceKeepsItsUnits(t *testing.T) {
	cluster.startInstances(t, "quick@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "quick@", 3)
	units := func() map[string]string {
		at := map[string]string{}
		for _, row := range cluster.listUnits(t, "core-01") {
			if strings.HasPrefix(row.Unit, "quick@") {
				at[row.Unit] = row.Machine
			}
		}
		return at
	}
	before, declared := units(), cluster.declaredLost(t)
	cluster.do(t, "chaos", "kill", "core-02")
	cluster.do(t, "chaos", "start", "core-02")
	cluster.whole(t, "quick@", 3)
	now := units()
	if cluster.declaredLost(t) > declared {
		t.Logf("the boot took longer than the silence that counts")
		declared = -1
	}
	for unit, machine := range before {
		wasLost := declared < 0 && cluster.machineNames(t, "core-01")[machine] == "core-02"
		if now[unit] == machine == wasLost {
			t.Errorf("%s was on %s and is on %s; core-02 was declared lost: %v", unit, machine, now[unit], declared < 0)
		}
	}
}

func TestPartitionEndsInOneCopyOfEach(t *testing.T) {
	cluster.startInstances(t, "split@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "split@", 3)
	cluster.do(t, "chaos", "partition", "core-03")
	eventually(t, time.Minute, func() error { return runsElsewhere(t, "split@", "core-03", "core-01", 3) })
	cluster.do(t, "chaos", "heal", "core-03")
	cluster.whole(t, "split@", 3)
	cluster.quiet(t)
}

func TestPausedMachineGivesUpWhatWasMoved(t *testing.T) {
	cluster.startInstances(t, "pause@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "pause@", 3)
	cluster.do(t, "chaos", "pause", "core-03")
	eventually(t, time.Minute, func() error { return runsElsewhere(t, "pause@", "core-03", "core-01", 3) })
	cluster.do(t, "chaos", "resume", "core-03")
	cluster.whole(t, "pause@", 3)
}

func TestLeaderLost(t *testing.T) {
	cluster.startInstances(t, "leader@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "leader@", 3)
	id := strings.TrimSpace(cluster.must(t, "core-01", asMember+`get --print-value-only /argosy/v1/leader | sed 's/.*"machine":"\([0-9a-f]*\)".*/\1/'`))
	leader := cluster.machineNames(t, "core-01")[id]
	if leader == "" {
		t.Fatalf("the leader is %q, which is no machine's id", id)
	}
	from := "core-01"
	if leader == from {
		from = "core-02"
	}
	killed := time.Now()
	cluster.do(t, "chaos", "kill", leader)
	eventually(t, time.Minute, func() error { return runsElsewhere(t, "leader@", leader, from, 3) })
	t.Logf("active elsewhere %.1f s after SIGKILL of the leader", time.Since(killed).Seconds())
	cluster.do(t, "chaos", "start", leader)
	cluster.whole(t, "leader@", 3)
}
