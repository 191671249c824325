//go:build machines

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// machine is one of list-machines.
type machine struct {
	ID, Name, IP, Note string
	Metadata           map[string]string
	Capacity           struct{ Other map[string]int64 }
}

func (c local) machineNamed(t *testing.T, from, name string) machine {
	t.Helper()
	var answer struct{ Machines []machine }
	c.readJSON(t, from, "fleetctl list-machines -o json", &answer)
	for _, m := range answer.Machines {
		if m.Name == name {
			return m
		}
	}
	return machine{}
}

// What fleet.conf says is changed under a running fleetd: the cluster knows at
// once, and neither fleetd nor any unit is restarted.
func TestReload(t *testing.T) {
	cluster.startInstances(t, "reload@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "reload@", 3)
	before := cluster.mainPIDs(t, "reload@")
	const pid = "systemctl show -P MainPID fleet"
	fleetd := cluster.must(t, "core-02", pid)
	conf := cluster.must(t, "core-02", "cat /etc/fleet/fleet.conf")
	t.Cleanup(func() {
		cluster.write(t, "core-02", "/etc/fleet/fleet.conf", conf)
		cluster.must(t, "core-02", "sudo systemctl reload fleet")
	})

	cluster.write(t, "core-02", "/etc/fleet/fleet.conf", conf+"metadata=region=eu,disk=ssd\ncapacity=gpu=2\n")
	cluster.must(t, "core-02", "sudo systemctl reload fleet")
	eventually(t, 10*time.Second, func() error {
		if m := cluster.machineNamed(t, "core-01", "core-02"); m.Metadata["region"] != "eu" || m.Capacity.Other["gpu"] != 2 {
			return fmt.Errorf("core-01 is told of %+v", m)
		}
		return nil
	})
	if out := cluster.must(t, "core-01", "fleetctl list-machines --no-legend --fields ip,metadata"); !strings.Contains(out, "disk=ssd,region=eu") {
		t.Errorf("list-machines: %s", out)
	}

	// A bad file changes nothing; systemctl, the journal and the status line say so.
	cluster.write(t, "core-02", "/etc/fleet/fleet.conf", "metdata=region=us\n"+conf)
	const fault = `/etc/fleet/fleet.conf:1: there is no option "metdata"; did you mean metadata?`
	if out := cluster.shell(t, "core-02", "sudo systemctl reload fleet"); out.code == 0 {
		t.Error("systemctl says that a bad file was taken over")
	}
	cluster.must(t, "core-02", "sudo journalctl -u fleet -n 20 -o cat --no-pager | grep -F '"+fault+"'")
	if m := cluster.machineNamed(t, "core-01", "core-02"); m.Metadata["region"] != "eu" {
		t.Errorf("a bad file changed %+v", m)
	}
	if now := cluster.must(t, "core-02", pid); now != fleetd {
		t.Errorf("fleetd was %s and is %s", fleetd, now)
	}
	same(t, "two reloads", before, cluster.mainPIDs(t, "reload@"))
	if out := cluster.must(t, "core-02", "systemctl show -P ActiveState -P StatusText fleet"); !strings.Contains(out, "active") || !strings.Contains(out, "core-02 at 10.99.0.12: ") {
		t.Errorf("systemctl show: %s", out)
	}

	// SIGUSR1: one document in one line of the journal.
	cluster.must(t, "core-02", "sudo systemctl kill --signal=SIGUSR1 --kill-whom=main fleet")
	var state struct {
		Machine struct{ Name string }
		Agent   struct {
			First []struct{ Name, Active string }
		}
		Engine struct{ Role string }
	}
	eventually(t, 10*time.Second, func() error {
		line := cluster.shell(t, "core-02", "sudo journalctl -u fleet -o cat --no-pager | grep '^{' | tail -n 1").stdout
		return json.Unmarshal([]byte(line), &state)
	})
	running := 0
	for _, u := range state.Agent.First {
		if strings.HasPrefix(u.Name, "reload@") && u.Active == "active" {
			running++
		}
	}
	here := 0
	for at := range before {
		if strings.HasPrefix(at, "core-02/") {
			here++
		}
	}
	if state.Machine.Name != "core-02" || state.Engine.Role == "" || running != here {
		t.Errorf("the state is %+v; %d units run there", state, here)
	}
	same(t, "SIGUSR1", before, cluster.mainPIDs(t, "reload@"))
}

// core-03 becomes a clone of core-02: it boots with core-02's machine id.
func TestSecondMachineWithOneID(t *testing.T) {
	cluster.startInstances(t, "clone@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "clone@", 3)
	own := strings.TrimSpace(cluster.must(t, "core-03", "cat /etc/machine-id"))
	taken := strings.TrimSpace(cluster.must(t, "core-02", "cat /etc/machine-id"))
	become := func(id string) {
		t.Helper()
		cluster.must(t, "core-03", "echo "+id+" | sudo tee /etc/machine-id && sync")
		cluster.do(t, "chaos", "kill", "core-03")
		eventually(t, 30*time.Second, func() error { // that it was missed: it is another machine afterwards
			if out := cluster.shell(t, "core-01", "fleetctl list-machines --no-legend"); strings.Contains(out.stdout, "10.99.0.13") {
				return fmt.Errorf("core-03 is still listed:\n%s", out.stdout)
			}
			return nil
		})
		cluster.do(t, "chaos", "start", "core-03")
	}
	t.Cleanup(func() {
		become(own)
		cluster.whole(t, "clone@", 3)
	})
	t.Cleanup(func() {
		if t.Failed() {
			for _, machine := range allMachines {
				t.Logf("fleet on %s:\n%s", machine, cluster.shell(t, machine, "sudo journalctl -b -u fleet -n 100 -o short-precise --no-pager").stdout)
			}
		}
	})
	become(taken)
	before := copies(cluster.mainPIDs(t, "clone@"), "core-02/")

	const refused = "refused: core-03 at 10.99.0.13 and core-02 at 10.99.0.12 both have the machine id"
	for what, line := range map[string]string{
		"the journal":      "sudo journalctl -b -u fleet --no-pager",
		"systemctl status": "systemctl status --no-pager --lines 0 fleet",
		"/readyz":          "curl -sS --unix-socket /run/fleet.sock http://fleet/readyz",
	} {
		eventually(t, 30*time.Second, func() error {
			if out := cluster.shell(t, "core-03", line); !strings.Contains(out.stdout, refused) {
				return fmt.Errorf("%s of core-03 does not say %q:\n%s", what, refused, out.stdout)
			}
			return nil
		})
	}
	eventually(t, 30*time.Second, func() error {
		out := cluster.shell(t, "core-01", "fleetctl list-machines --no-legend")
		if strings.Count(out.stdout, "\n") != 2 || !strings.Contains(out.stderr, "core-02: core-03 at 10.99.0.13 has this machine's id as well and is refused") {
			return fmt.Errorf("list-machines on core-01:\n%s%s", out.stdout, out.stderr)
		}
		return nil
	})
	// The first and its units are as they were; all units run, none twice.
	eventually(t, time.Minute, func() error { return runsElsewhere(t, "clone@", "core-03", "core-01", 3) })
	now := cluster.mainPIDs(t, "clone@")
	for at, pid := range before {
		if now[at] != pid {
			t.Errorf("%s had PID %s and has %q", at, pid, now[at])
		}
	}
	if len(now) != 3 || len(copies(now, "core-03/")) != 0 {
		t.Errorf("running: %v", now)
	}
}

// copies are those of the processes whose place begins so.
func copies(pids map[string]string, at string) map[string]string {
	some := map[string]string{}
	for key, pid := range pids {
		if strings.HasPrefix(key, at) {
			some[key] = pid
		}
	}
	return some
}

// A machine that was cut off comes back with units that run elsewhere by now: the
// copy where the leader placed each stays, its own end, and the machine says so.
func TestSecondCopyEndsAndIsShown(t *testing.T) {
	cluster.startInstances(t, "copy@.service", sleeper, "1", "2", "3")
	cluster.whole(t, "copy@", 3)
	lost := copies(cluster.mainPIDs(t, "copy@"), "core-03/")
	if len(lost) == 0 {
		t.Fatal("no unit runs on core-03")
	}
	cluster.do(t, "chaos", "partition", "core-03")
	eventually(t, time.Minute, func() error { return runsElsewhere(t, "copy@", "core-03", "core-01", 3) })
	// Cut off, core-03 keeps what it ran: there are two copies now.
	moved := cluster.mainPIDs(t, "copy@")
	if len(moved) != 3+len(lost) {
		t.Errorf("while core-03 is cut off there run %v", moved)
	}
	cluster.do(t, "chaos", "heal", "core-03")
	cluster.whole(t, "copy@", 3)
	for at, pid := range cluster.mainPIDs(t, "copy@") {
		if strings.HasPrefix(at, "core-03/") || moved[at] != pid {
			t.Errorf("%s with PID %s runs; of %v the copies on core-01 and core-02 were to stay", at, pid, moved)
		}
	}
	eventually(t, 40*time.Second, func() error {
		out := cluster.shell(t, "core-01", "fleetctl list-machines --no-legend")
		for at := range lost {
			if unit := strings.TrimPrefix(at, "core-03/"); !strings.Contains(out.stderr, "core-03: is back since ") || !strings.Contains(out.stderr, unit) {
				return fmt.Errorf("list-machines does not speak of %s, whose copy on core-03 ended:\n%s", unit, out.stderr)
			}
		}
		return nil
	})
	cluster.quiet(t)
}
