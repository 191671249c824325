//go:build machines

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	facts "argosy/core/cluster"
)

// once is a unit that runs once at most, and that writes into its machine's journal
// all the time when it runs: seconds since the host booted, one clock for all its
// machines. It is never placed on core-01.
func once(service string) string {
	return "[Service]\nExecStart=/bin/sh -c 'echo token $FLEET_FENCING_TOKEN; " + service +
		"while :; do read at idle </proc/uptime; echo at $at; sleep 0.2; done'\n" +
		"[X-Fleet]\nMachineMetadata=fence=yes\nOnPartition=stop\n"
}

// fenced places a unit on a machine other than core-01, which stays whole, and says
// on which.
func fenced(t *testing.T, unit, text string) string {
	t.Helper()
	for _, machine := range []string{"core-02", "core-03"} {
		cluster.must(t, "core-01", "fleetctl label "+machine+" fence=yes")
		t.Cleanup(func() {
			cluster.do(t, "chaos", "heal", machine)
			cluster.must(t, machine, "sudo systemctl unmask --runtime fleet; sudo systemctl start fleet")
			cluster.whole(t, "hello@", 3)
			cluster.must(t, "core-01", "fleetctl label "+machine+" fence-")
		})
	}
	return cluster.placed(t, unit, text)
}

// uptime is the time by the clock that units write down.
func uptime(t *testing.T) float64 {
	t.Helper()
	return seconds(t, strings.Fields(cluster.shell(t, "you", "cat /proc/uptime").stdout)[0])
}

func seconds(t *testing.T, text string) float64 {
	t.Helper()
	at, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// ran is when a unit was seen running on a machine, in each of its lives.
type ran struct {
	first, last float64
	token       string
}

func lives(t *testing.T, machine, unit string) (all []ran) {
	t.Helper()
	for line := range strings.Lines(cluster.must(t, machine, "sudo journalctl -o cat --no-pager -b -u "+unit+" | grep -E '^(token|at) ' || true")) {
		word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "token":
			all = append(all, ran{token: value})
		case len(all) > 0:
			life := &all[len(all)-1]
			life.last = seconds(t, value)
			if life.first == 0 {
				life.first = life.last
			}
		}
	}
	return all
}

// never checks that no two lives of a unit, on any machines, overlap, and that
// their tokens grow.
func never(t *testing.T, unit string) {
	t.Helper()
	var all []ran
	for _, machine := range allMachines {
		all = append(all, lives(t, machine, unit)...)
	}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.first > b.first {
				a, b = b, a
			}
			if a.last >= b.first {
				t.Errorf("%s ran twice at a time: %+v and %+v", unit, a, b)
			}
			before, err1 := strconv.ParseInt(a.token, 10, 64)
			after, err2 := strconv.ParseInt(b.token, 10, 64)
			if err1 != nil || err2 != nil || before > after {
				t.Errorf("%s has the token %q, and later %q", unit, a.token, b.token)
			}
		}
	}
}

// down waits until a unit has ended on a machine, and returns when it wrote last.
func down(t *testing.T, machine, unit string) float64 {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if state := cluster.shell(t, machine, "systemctl is-active "+unit).stdout; state != "inactive\n" && state != "failed\n" {
			return fmt.Errorf("%s is %s", unit, state)
		}
		return nil
	})
	all := lives(t, machine, unit)
	return all[len(all)-1].last
}

// runsAgain waits until a unit runs on some machine, once.
func runsAgain(t *testing.T, unit string) {
	t.Helper()
	eventually(t, 90*time.Second, func() error {
		if pids := cluster.mainPIDs(t, unit); len(pids) != 1 {
			return fmt.Errorf("%d copies of %s run: %v", len(pids), unit, pids)
		}
		return nil
	})
}

// slack is for what a machine under load takes to do what is due.
const slack = 3 * time.Second

// Law 2. A machine that is cut off ends what runs once at most before the cluster
// starts it elsewhere; what keeps running keeps running.
func TestFenceUnderPartition(t *testing.T) {
	machine := fenced(t, "db.service", once(""))
	kept := strings.Replace(once(""), "OnPartition=stop", "OnPartition=keep\nMachineOf=db.service", 1)
	cluster.placed(t, "kept.service", kept)
	cut := uptime(t)
	cluster.do(t, "chaos", "partition", machine)
	last := down(t, machine, "db.service")
	if ended := last - cut; ended > (facts.FenceTime + slack).Seconds() {
		t.Errorf("it ran for %.1f s after the cut", ended)
	}
	eventually(t, 90*time.Second, func() error { return runsElsewhere(t, "db.service", machine, "core-01", 1) })
	elsewhere := lives(t, cluster.machineOf(t, "db.service"), "db.service")
	t.Logf("cut at 0 s, down at %.1f s, up elsewhere at %.1f s", last-cut, elsewhere[0].first-cut)
	if state := cluster.must(t, machine, "systemctl is-active kept.service"); state != "active\n" {
		t.Errorf("the unit that keeps running is %s", state)
	}
	cluster.do(t, "chaos", "heal", machine)
	cluster.whole(t, "db.service", 1)
	cluster.whole(t, "kept.service", 1)
	never(t, "db.service")
}

// A unit that does not end when asked is killed.
func TestFenceKills(t *testing.T) {
	machine := fenced(t, "deaf.service", once(`trap "" TERM; `))
	cut := uptime(t)
	cluster.do(t, "chaos", "partition", machine)
	if ended := down(t, machine, "deaf.service") - cut; ended > (facts.FenceTime + facts.FenceUnitStopTime + slack).Seconds() {
		t.Errorf("it ran for %.1f s after the cut", ended)
	}
	cluster.do(t, "chaos", "heal", machine)
	runsAgain(t, "deaf.service")
	never(t, "deaf.service")
}

// Whatever becomes of fleetd and of the fence's own process, systemd ends the unit
// in time; and all is well again when they are.
func TestFenceHoldsWithoutItsProcesses(t *testing.T) {
	fenced(t, "held.service", once(""))
	for _, line := range []string{
		"sudo systemctl kill --kill-whom=main --signal=KILL fleet-fence",
		"sudo systemctl kill --kill-whom=main --signal=STOP fleet-fence",
		"sudo systemctl kill --kill-whom=main --signal=STOP fleet",
		"sudo systemctl mask --runtime fleet && sudo systemctl kill --kill-whom=main --signal=KILL fleet",
		"sudo systemctl kill --kill-whom=main --signal=STOP fleet fleet-fence && sudo systemctl daemon-reexec",
	} {
		runsAgain(t, "held.service")
		machine := cluster.machineOf(t, "held.service")
		before := len(lives(t, machine, "held.service"))
		cluster.must(t, machine, line)
		done := uptime(t)
		eventually(t, time.Minute, func() error {
			if n := len(lives(t, machine, "held.service")); n > before {
				return nil // it has ended, and is up again already
			}
			if state := cluster.shell(t, machine, "systemctl is-active held.service").stdout; state != "inactive\n" {
				return fmt.Errorf("%s: held.service is %s", line, state)
			}
			return nil
		})
		if ended := lives(t, machine, "held.service")[before-1].last - done; ended > (facts.FenceTime + slack).Seconds() {
			t.Errorf("%s: it ran for another %.1f s", line, ended)
		}
		cluster.must(t, machine, "sudo systemctl unmask --runtime fleet; sudo systemctl start fleet")
		runsAgain(t, "held.service")
	}
	never(t, "held.service")
}

// A unit that cannot be ended takes its machine with it, and no other.
func TestFenceReboots(t *testing.T) {
	// It asks systemd for more time to end, again and again, and gets it.
	text := strings.Replace(once("trap : TERM; systemd-notify --ready; "), "echo at", "systemd-notify EXTEND_TIMEOUT_USEC=60000000; echo at", 1)
	machine := fenced(t, "stuck.service", strings.Replace(text, "[Service]\n", "[Service]\nType=notify\nNotifyAccess=all\n", 1))
	booted := func(machine string) string { return cluster.must(t, machine, "cut -d' ' -f22 /proc/1/stat") }
	one, before := booted("core-01"), booted(machine)
	fell := uptime(t)
	cluster.must(t, machine, "sudo systemctl kill --kill-whom=main --signal=KILL fleet-fence")
	eventually(t, time.Minute, func() error {
		if out := cluster.shell(t, machine, "cut -d' ' -f22 /proc/1/stat"); out.code != 0 || out.stdout == before {
			return fmt.Errorf("it has not booted again: %s", out.stderr)
		}
		return nil
	})
	t.Logf("seen booted %.1f s after the fall", uptime(t)-fell)
	if booted("core-01") != one {
		t.Error("core-01 has booted too")
	}
	runsAgain(t, "stuck.service")
	for _, machine := range allMachines {
		cluster.shell(t, machine, "sudo systemctl kill --signal=KILL stuck.service") // what it does not let others do
	}
}

// Quadlet's containers can be fenced; what Docker runs cannot.
func TestFenceOfContainers(t *testing.T) {
	importBox(t)
	text := "[Container]\nImage=localhost/box\nPodmanArgs=--env=FLEET_FENCING_TOKEN\n" +
		"Exec=/bin/sh -c 'echo token $FLEET_FENCING_TOKEN; while :; do read at idle </proc/uptime; echo at $at; sleep 0.2; done'\n" +
		"[X-Fleet]\nMachineMetadata=fence=yes\nOnPartition=stop\n"
	machine := fenced(t, "box.container", text)
	cut := uptime(t)
	cluster.must(t, machine, "sudo systemctl kill --kill-whom=main --signal=STOP fleet-fence fleet")
	if ended := down(t, machine, "box.service") - cut; ended > (facts.FenceTime + facts.FenceUnitStopTime + slack).Seconds() {
		t.Errorf("it ran for %.1f s", ended)
	}
	if left := cluster.must(t, machine, "sudo podman ps -q"); left != "" {
		t.Errorf("containers are left: %s", left)
	}
	cluster.must(t, machine, "sudo systemctl kill --kill-whom=main --signal=KILL fleet")
	runsAgain(t, "box.service")
	never(t, "box.service")

	const refused = "docked.service:2: OnPartition=stop cannot end what docker run starts: it runs outside of the unit's own control group; " +
		"expected Podman, as podman run --cgroups=split or as a .container file"
	out := cluster.startUnit(t, "docked.service", "[Service]\nExecStart=/usr/bin/docker run --rm box\n[X-Fleet]\nOnPartition=stop\n")
	if out.code == 0 || !strings.Contains(out.stderr, refused) {
		t.Errorf("exit %d, %s", out.code, out.stderr)
	}
}
