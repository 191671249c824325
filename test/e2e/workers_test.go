//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A worker runs no etcd; its API, its store's port and its agent do all the same
// that a member's do. The cluster is a second one beside the first.
func TestWorker(t *testing.T) {
	five := local{argosy: cluster.argosy, name: "five"}
	t.Cleanup(func() { five.do(t, "down") })
	five.do(t, "up", "--machines", "5")
	const worker = "core-05"
	if out := five.shell(t, worker, "systemctl is-active etcd"); strings.TrimSpace(out.stdout) == "active" {
		t.Fatalf("%s runs etcd: it is a member", worker)
	}
	if got := strings.TrimSpace(five.must(t, worker, "fleetctl list-machines --no-legend | wc -l; etcdctl put from worker >/dev/null; etcdctl get --print-value-only from")); got != "5\nworker" {
		t.Errorf("a worker's fleetctl and etcdctl: %q", got)
	}
	id := strings.TrimSpace(five.must(t, worker, "cat /etc/machine-id"))
	five.write(t, worker, "/home/core/here.service", sleeper+"\n[X-Fleet]\nMachineID="+id+"\n")
	five.must(t, worker, "fleetctl start here.service")
	five.must(t, "core-01", "fleetctl status here.service && fleetctl journal here.service")
	five.must(t, worker, "fleetctl destroy here.service")

	// Lost, a worker's instance has nowhere to go: each machine runs one. Back, it
	// has it again.
	five.do(t, "chaos", "kill", worker)
	eventually(t, time.Minute, func() error { return five.counts(t, "core-01", "list-machines", 4) })
	five.do(t, "chaos", "start", worker)
	eventually(t, time.Minute, func() error { return five.counts(t, worker, "list-machines", 5) })
	eventually(t, time.Minute, func() error { return five.counts(t, worker, "list-units", 5) })
}

// counts says whether one of fleetctl's lists has so many rows.
func (c local) counts(t *testing.T, from, list string, rows int) error {
	t.Helper()
	out := c.shell(t, from, "fleetctl "+list+" --no-legend")
	if got := strings.Count(out.stdout, "\n"); out.code != 0 || got != rows {
		return fmt.Errorf("%s on %s has %d rows, expected %d:\n%s%s", list, from, got, rows, out.stdout, out.stderr)
	}
	return nil
}
