//go:build machines

package e2e

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// declaredLost is how often leaders have declared a machine lost so far.
func (c local) declaredLost(t *testing.T) int {
	t.Helper()
	count := 0
	for _, machine := range allMachines {
		out := c.shell(t, machine, "sudo journalctl -u fleet --no-pager -o cat --grep='msg=\"a machine is lost' | grep -c . ")
		n := 0
		if _, err := fmt.Sscan(out.stdout, &n); err == nil {
			count += n
		}
	}
	return count
}

// outOfTouch says whether list-machines shows these machines as out of touch, and no
// other.
func outOfTouch(t *testing.T, machines ...string) error {
	t.Helper()
	out := cluster.shell(t, "core-01", "fleetctl list-machines --no-legend --fields hostname,agent")
	var want []string
	for _, machine := range allMachines {
		agent := "in-touch"
		for _, away := range machines {
			if machine == away {
				agent = "out-of-touch"
			}
		}
		want = append(want, machine+" "+agent)
	}
	for _, row := range want {
		if !strings.Contains(strings.ReplaceAll(out.stdout, "\t", " "), row) {
			return fmt.Errorf("expected %s in:\n%s%s", row, out.stdout, out.stderr)
		}
	}
	if len(machines) > 0 && !strings.Contains(out.stderr, machines[0]+": its agent is out of touch") {
		return fmt.Errorf("stderr does not speak of %s: %q", machines[0], out.stderr)
	}
	return nil
}

// A daemon that hangs, or is dead and stays dead, is no lost machine: nothing moves,
// and what is so is shown.
func TestDaemonsThatHangOrAreDeadMoveNothing(t *testing.T) {
	cluster.startInstances(t, "hang@.service", sleeper, "1", "2", "3", "4", "5", "6")
	cluster.whole(t, "hang@", 6)
	before, declared := cluster.mainPIDs(t, "hang@"), cluster.declaredLost(t)

	// core-02's fleetd hangs until its watchdog would find it; core-03's is dead.
	cluster.write(t, "core-02", "/run/systemd/system/fleet.service.d/test.conf", "[Service]\nWatchdogSec=0\n")
	cluster.write(t, "core-03", "/run/systemd/system/fleet.service.d/test.conf", "[Service]\nRestart=no\n")
	cluster.must(t, "core-02", "sudo systemctl daemon-reload; sudo systemctl restart fleet")
	cluster.must(t, "core-03", "sudo systemctl daemon-reload; sudo systemctl stop fleet.socket")
	cluster.whole(t, "hang@", 6)
	cluster.must(t, "core-02", "sudo systemctl kill --signal=SIGSTOP --kill-whom=main fleet")
	cluster.must(t, "core-03", "sudo systemctl kill --signal=SIGKILL --kill-whom=main fleet")
	eventually(t, time.Minute, func() error { return outOfTouch(t, "core-02", "core-03") })
	for at := range before {
		machine, unit, _ := strings.Cut(at, "/")
		if machine == "core-01" {
			continue
		}
		why := cluster.shell(t, "core-01", "fleetctl why "+unit)
		if !strings.Contains(why.stdout, "out of touch") {
			t.Errorf("why %s, which is on %s:\n%s%s", unit, machine, why.stdout, why.stderr)
		}
	}
	same(t, "fleetd hangs on core-02 and is dead on core-03", before, cluster.mainPIDs(t, "hang@"))

	cluster.must(t, "core-02", "sudo systemctl kill --signal=SIGCONT --kill-whom=main fleet")
	for _, machine := range []string{"core-02", "core-03"} {
		cluster.must(t, machine, "sudo rm -r /run/systemd/system/fleet.service.d; sudo systemctl daemon-reload")
	}
	cluster.must(t, "core-03", "sudo systemctl start fleet.socket fleet")
	eventually(t, time.Minute, func() error { return outOfTouch(t) })
	cluster.whole(t, "hang@", 6)
	same(t, "fleetd is back on both", before, cluster.mainPIDs(t, "hang@"))

	// The store's daemon on a machine is no part of the machine's life either.
	for _, signal := range []string{"SIGSTOP", "SIGKILL"} {
		cluster.write(t, "core-02", "/run/systemd/system/etcd.service.d/test.conf", "[Service]\nRestart=no\n")
		cluster.must(t, "core-02", "sudo systemctl daemon-reload; sudo systemctl kill --kill-whom=main --signal="+signal+" etcd")
		waitSince(t, time.Now(), 15*time.Second) // longer than any lease
		same(t, signal+" of etcd on core-02", before, cluster.mainPIDs(t, "hang@"))
		if err := outOfTouch(t); err != nil {
			t.Errorf("%s of etcd on core-02: %v", signal, err)
		}
		cluster.must(t, "core-02", "sudo rm -r /run/systemd/system/etcd.service.d; sudo systemctl daemon-reload; sudo systemctl kill --signal=SIGCONT etcd; sudo systemctl start etcd")
		cluster.whole(t, "hang@", 6)
	}
	if now := cluster.declaredLost(t); now != declared {
		t.Errorf("%d machines were declared lost", now-declared)
	}
	cluster.quiet(t)
}

// A bad network, busy processors and daemons that pause are no lost machine. A minute
// of it is part of every run; `make calm MINUTES=10` takes longer.
func TestLossMovesNothing(t *testing.T) {
	minutes, err := strconv.Atoi(cmp.Or(os.Getenv("MINUTES"), "1"))
	if err != nil || minutes < 1 {
		t.Fatalf("MINUTES=%q: expected a whole number above 0", os.Getenv("MINUTES"))
	}
	cluster.startInstances(t, "loss@.service", sleeper, "1", "2", "3", "4", "5", "6")
	cluster.whole(t, "loss@", 6)
	before, declared, began := cluster.mainPIDs(t, "loss@"), cluster.declaredLost(t), time.Now()
	for _, machine := range allMachines {
		cluster.must(t, machine, "sudo systemd-run --quiet --unit=busy.service sh -c 'while :; do :; done'")
		cluster.do(t, "chaos", "slow", machine, "--loss", "30%")
	}
	for turn := 0; time.Since(began) < time.Duration(minutes)*time.Minute; turn++ {
		machine, daemon := allMachines[turn%len(allMachines)], []string{"etcd", "fleet"}[turn%2]
		cluster.must(t, machine, "sudo systemctl kill --signal=SIGSTOP --kill-whom=main "+daemon)
		waitSince(t, time.Now(), 5*time.Second)
		cluster.must(t, machine, "sudo systemctl kill --signal=SIGCONT --kill-whom=main "+daemon)
		waitSince(t, time.Now(), 10*time.Second)
	}
	for _, machine := range allMachines {
		cluster.do(t, "chaos", "heal", machine)
		cluster.must(t, machine, "sudo systemctl stop busy.service")
	}
	cluster.whole(t, "loss@", 6)
	same(t, fmt.Sprintf("%d minutes with a third of all packets lost", minutes), before, cluster.mainPIDs(t, "loss@"))
	if now := cluster.declaredLost(t); now != declared {
		t.Errorf("%d machines were declared lost", now-declared)
	}
}
