//go:build machines

package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// same fails the test if a process was ended or started.
func same(t *testing.T, after string, before, now map[string]string) {
	t.Helper()
	if !maps.Equal(before, now) {
		t.Errorf("%s: main processes were\n%v\nand are\n%v", after, before, now)
	}
}

// Law 1: workloads outlive the control plane.
func TestUnitsOutliveEtcdAndFleet(t *testing.T) {
	cluster.startInstances(t, "outlive@.service", sleeper, "1", "2", "3", "4", "5", "6")
	cluster.whole(t, "outlive@", 6)
	before := cluster.mainPIDs(t, "outlive@")

	stopped := time.Now()
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl stop etcd")
	}
	// Reads go on and say how old they are.
	eventually(t, 30*time.Second, func() error {
		out := cluster.shell(t, "core-01", "fleetctl list-units --no-legend | grep -c outlive@")
		if out.code != 0 || strings.TrimSpace(out.stdout) != "6" || !strings.Contains(out.stderr, "as of ") {
			return fmt.Errorf("without etcd: exit %d, %s rows, on stderr %q", out.code, out.stdout, out.stderr)
		}
		return nil
	})
	// A write says what is wrong and stores nothing.
	if out := cluster.shell(t, "core-01", "fleetctl stop --timeout 5s outlive@1.service"); out.code == 0 {
		t.Errorf("stop without a store succeeded: %s%s", out.stdout, out.stderr)
	}
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl kill --signal=SIGKILL --kill-whom=main fleet")
	}
	same(t, "fleetd killed everywhere without etcd", before, cluster.mainPIDs(t, "outlive@"))
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl restart fleet")
	}
	same(t, "fleetd restarted everywhere without etcd", before, cluster.mainPIDs(t, "outlive@"))
	waitSince(t, stopped, time.Minute)
	same(t, "a minute without etcd", before, cluster.mainPIDs(t, "outlive@"))

	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl start --no-block etcd")
	}
	cluster.whole(t, "outlive@", 6)
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl kill --signal=SIGKILL --kill-whom=main fleet")
	}
	cluster.whole(t, "outlive@", 6)
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl restart fleet")
	}
	cluster.whole(t, "outlive@", 6)
	same(t, "all is back", before, cluster.mainPIDs(t, "outlive@"))
	cluster.quiet(t)
}

// waitSince waits until a length of time has gone by: the test is about it.
func waitSince(t *testing.T, start time.Time, length time.Duration) {
	t.Helper()
	select {
	case <-time.After(time.Until(start.Add(length))):
	case <-t.Context().Done():
	}
}

// The table "starting, stopping, restarting" of ARCHITECTURE.md, case by case.

func TestStopOfFleetWithStoreLeaves(t *testing.T) {
	cluster.startInstances(t, "leave@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "leave@", 3)
	cluster.must(t, "core-02", "sudo systemctl stop fleet")
	eventually(t, time.Minute, func() error {
		pids := cluster.mainPIDs(t, "leave@")
		for at := range pids {
			if strings.HasPrefix(at, "core-02/") {
				return fmt.Errorf("%s still runs", at)
			}
		}
		if len(pids) != 3 {
			return fmt.Errorf("%d of 3 units run: %v", len(pids), pids)
		}
		return nil
	})
	cluster.must(t, "core-02", "sudo systemctl start fleet")
	cluster.whole(t, "leave@", 3)
}

func TestStopOfFleetWithoutStoreTouchesNothing(t *testing.T) {
	cluster.startInstances(t, "stay@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "stay@", 3)
	before := cluster.mainPIDs(t, "stay@")
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl stop etcd")
	}
	cluster.must(t, "core-02", "sudo systemctl stop fleet")
	same(t, "fleet stopped without a store", before, cluster.mainPIDs(t, "stay@"))
	if log := cluster.must(t, "core-02", "sudo journalctl -u fleet -n 20 --no-pager"); !strings.Contains(log, "store cannot be reached") {
		t.Errorf("fleet does not say that it left its units alone:\n%s", log)
	}
	cluster.must(t, "core-02", "sudo systemctl start fleet")
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemctl start --no-block etcd")
	}
	cluster.whole(t, "stay@", 3)
	same(t, "fleet and etcd are back", before, cluster.mainPIDs(t, "stay@"))
}

func TestRestartAndKillOfFleetTouchNothing(t *testing.T) {
	cluster.startInstances(t, "keep@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "keep@", 3)
	before := cluster.mainPIDs(t, "keep@")
	for _, line := range []string{"sudo systemctl restart fleet", "sudo systemctl kill --signal=SIGKILL --kill-whom=main fleet", "sudo systemctl daemon-reexec"} {
		cluster.must(t, "core-03", line)
		cluster.whole(t, "keep@", 3)
		same(t, line, before, cluster.mainPIDs(t, "keep@"))
	}
	cluster.quiet(t)
}

func TestRebootLeavesFirst(t *testing.T) {
	cluster.startInstances(t, "reboot@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "reboot@", 3)
	cluster.do(t, "chaos", "reboot", "core-02")
	cluster.whole(t, "reboot@", 3)
	for at := range cluster.mainPIDs(t, "reboot@") {
		if strings.HasPrefix(at, "core-02/") {
			t.Errorf("%s: it did not leave before its reboot, or was given units back needlessly", at)
		}
	}
}
