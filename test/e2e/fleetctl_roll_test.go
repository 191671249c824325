//go:build machines

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lives tells of a unit on each machine: its main process, and when it last began
// to start and was active, in microseconds of the clock that all machines share.
func (c local) lives(t *testing.T, unit string) map[string]life {
	t.Helper()
	all := map[string]life{}
	for _, machine := range allMachines {
		shown := c.must(t, machine, "systemctl show --value -p MainPID -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic "+unit)
		var l life
		if _, err := fmt.Sscan(shown, &l.pid, &l.began, &l.active); err != nil {
			t.Fatalf("%s: %v in %q", machine, err, shown)
		}
		all[machine] = l
	}
	return all
}

type life struct{ pid, began, active int64 }

// order lists the machines as they stand in every answer: by id.
func (c local) order(t *testing.T) []string {
	t.Helper()
	names := c.machineNames(t, "core-01")
	var ids, machines []string
	for id := range names {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		machines = append(machines, names[id])
	}
	return machines
}

// A global unit restarts on one machine after another: the next one begins when
// the last one is active again.
func TestRestartRolls(t *testing.T) {
	const unit = "rolls.service"
	text := strings.Replace(sleeper, "[Service]\n", "[Service]\nExecStartPre=/usr/bin/test ! -e /run/rolls-no-more\nExecStartPre=/usr/bin/sleep 0.5\n", 1)
	if out := cluster.startUnit(t, unit, text+"\n[X-Fleet]\nGlobal=true\n"); out.code != 0 {
		t.Fatalf("%+v", out)
	}
	machines, before := cluster.order(t), cluster.lives(t, unit)
	said := cluster.must(t, "core-02", "fleetctl restart "+unit)
	after := cluster.lives(t, unit)
	for i, machine := range machines {
		if after[machine].pid == before[machine].pid || after[machine].pid == 0 {
			t.Errorf("%s: process %d after %d", machine, after[machine].pid, before[machine].pid)
		}
		if i > 0 && after[machine].began < after[machines[i-1]].active {
			t.Errorf("%s began at %d us, %s was active at %d only", machine, after[machine].began, machines[i-1], after[machines[i-1]].active)
		}
	}
	if strings.Count(said, "launched on") != 3 {
		t.Errorf("it said %q", said)
	}

	cluster.must(t, machines[1], "sudo touch /run/rolls-no-more")
	t.Cleanup(func() { cluster.shell(t, machines[1], "sudo rm -f /run/rolls-no-more") })
	before = after
	out := cluster.shell(t, "core-03", "fleetctl restart "+unit)
	after = cluster.lives(t, unit)
	if out.code != 1 || strings.Count(out.stdout, "launched on") != 1 || !strings.Contains(out.stderr, "failed: on "+machines[1]) ||
		!strings.Contains(out.stderr, "Unit "+unit+": not restarted on "+machines[2]+"\n") {
		t.Errorf("a roll that fails on %s: exit %d\n%s%s", machines[1], out.code, out.stdout, out.stderr)
	}
	if after[machines[0]].pid == before[machines[0]].pid || after[machines[2]] != before[machines[2]] {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if out := cluster.shell(t, "core-01", "curl -sS --unix-socket /run/fleet.sock -XPOST http://fleet/fleet/v2/units/ssh.service/restart?machine=$(cat /etc/machine-id)"); !strings.Contains(out.stdout, "not found") {
		t.Errorf("a unit of the machine's own: %+v", out)
	}
}

// A changed template is applied to its instances where they are: each keeps its
// machine and gets a new process; no other unit notices.
func TestReplaceInPlace(t *testing.T) {
	cluster.startInstances(t, "swap@.service", sleeper, "1", "2", "3", "4")
	cluster.startUnit(t, "swap-not.service", sleeper)
	before := cluster.mainPIDs(t, "swap")
	cluster.write(t, "core-01", "/home/core/swap@.service", strings.Replace(sleeper, "Sleeper", "Dozer", 1))
	if out := cluster.shell(t, "core-01", "fleetctl start swap@1"); out.code != 0 || !strings.Contains(out.stderr, "-Description=Sleeper %i\n+Description=Dozer %i\n") {
		t.Errorf("a file that differs: %+v", out)
	}
	cluster.must(t, "core-01", "fleetctl start --replace swap@.service")
	after := cluster.mainPIDs(t, "swap")
	if len(after) != len(before) {
		t.Fatalf("before %v\nafter %v", before, after)
	}
	for at, pid := range before {
		now, there := after[at]
		if changed := now != pid; !there || changed != strings.Contains(at, "swap@") {
			t.Errorf("%s: process %s, before it %s", at, now, pid)
		}
		machine, unit, _ := strings.Cut(at, "/")
		if says := cluster.must(t, machine, "systemctl show -P Description "+unit); strings.Contains(unit, "@") && !strings.HasPrefix(says, "Dozer") {
			t.Errorf("%s is %s", at, says)
		}
	}
}

// counter logs a number every 10 ms, beginning with 1.
const counter = "[Service]\nExecStart=/usr/bin/bash -c 'for ((i=1;;i++)); do echo n$$i; sleep 0.01; done'\n"

// Logs lose nothing and repeat nothing while the fleetd that they come from is
// restarted again and again, and they follow the unit to another machine.
func TestLogsAreWhole(t *testing.T) {
	const unit = "counter.service"
	home := cluster.placed(t, unit, counter)
	reader := "core-01"
	if home == reader {
		reader = "core-02"
	}
	cluster.must(t, reader, "sudo systemd-run --unit=reader --property=StandardOutput=file:/run/read --property=StandardError=file:/run/read.err fleetctl logs --output cat --lines 5 "+unit)
	t.Cleanup(func() { cluster.shell(t, reader, "sudo systemctl stop reader; sudo rm -f /run/read /run/read.err") })
	read := func() []string {
		return strings.Fields(cluster.must(t, reader, "grep -o 'n[0-9]*$' /run/read || true"))
	}
	for range 3 {
		had := len(read())
		cluster.must(t, home, "sudo systemctl restart fleet")
		eventually(t, time.Minute, func() error {
			if got := len(read()); got < had+200 {
				return fmt.Errorf("%d lines, %d before fleetd was restarted", got, had)
			}
			return nil
		})
	}
	lines := read()
	for i, line := range lines[1:] {
		last, _ := strconv.Atoi(lines[i][1:])
		if now, _ := strconv.Atoi(line[1:]); now != last+1 {
			t.Fatalf("line %d is %s behind %s\n%s", i+1, line, lines[i], cluster.must(t, reader, "cat /run/read.err"))
		}
	}
	t.Logf("%d lines in order\n%s", len(lines), cluster.must(t, reader, "cat /run/read.err"))

	t.Cleanup(func() {
		cluster.must(t, home, "sudo systemctl start fleet")
		eventually(t, time.Minute, func() error { return cluster.counts(t, "core-01", "list-machines", len(allMachines)) })
	})
	cluster.must(t, home, "sudo systemctl stop fleet") // the machine leaves: its units move
	eventually(t, time.Minute, func() error {
		if said := cluster.must(t, reader, "grep ': n1$' /run/read || true"); said == "" || strings.HasPrefix(said, home) {
			return fmt.Errorf("no first word from another machine than %s: %q", home, said)
		}
		return nil
	})
}
