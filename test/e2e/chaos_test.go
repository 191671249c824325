//go:build machines

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// reaches says whether one machine's ping is answered by another.
func reaches(t *testing.T, from, to string) bool {
	t.Helper()
	return cluster.shell(t, from, "ping -c 1 -W 1 "+to+" >/dev/null").code == 0
}

func TestPartitionOneWayAndFromOneMachine(t *testing.T) {
	t.Cleanup(func() {
		cluster.do(t, "chaos", "heal", "core-03")
		cluster.whole(t, "hello@", 3)
	})
	// etcd keeps a majority: core-03 is cut off from core-01 alone.
	cluster.do(t, "chaos", "partition", "core-03", "--from", "core-01")
	if reaches(t, "core-03", "core-01") || reaches(t, "core-01", "core-03") {
		t.Error("core-03 and core-01 still reach each other")
	}
	if !reaches(t, "core-03", "core-02") {
		t.Error("core-03 does not reach core-02, which it was not cut off from")
	}
	cluster.do(t, "chaos", "heal", "core-03")
	if !reaches(t, "core-03", "core-01") {
		t.Error("healed, core-03 does not reach core-01")
	}

	// One way: what core-03 says is not heard, what is said to it is.
	cluster.do(t, "chaos", "partition", "core-03", "--from", "core-01", "--one-way", "out")
	cluster.must(t, "core-03", "sudo sh -c 'ping -c 3 -i 0.2 -W 1 core-01 >/dev/null; true'")
	heard := func(machine, by string) bool {
		// A counter of nft's own, in the machine that listens.
		cluster.must(t, machine, "sudo nft 'add table ip heard; add chain ip heard in { type filter hook input priority 0; }; add rule ip heard in ip saddr "+by+" icmp type echo-request counter'")
		defer cluster.must(t, machine, "sudo nft delete table ip heard")
		other := map[string]string{"core-01": "core-03", "core-03": "core-01"}[machine]
		cluster.shell(t, other, "ping -c 2 -i 0.2 -W 1 "+machine)
		return !strings.Contains(cluster.must(t, machine, "sudo nft list table ip heard"), "packets 0 ")
	}
	if heard("core-01", "10.99.0.13") {
		t.Error("core-01 heard core-03, whose words were to be lost")
	}
	if !heard("core-03", "10.99.0.11") {
		t.Error("core-03 did not hear core-01, though only the other way was cut")
	}
}

// A paused machine stands for a frozen one: no kernel answers for it, and no
// other verb gives it a voice or loses what is broken beside.
func TestPausedMachineIsSilent(t *testing.T) {
	t.Cleanup(func() {
		cluster.run(t, nil, cluster.argosy, "chaos", "resume", "core-03", "--name", cluster.name)
		cluster.do(t, "chaos", "heal", "core-03")
		cluster.whole(t, "hello@", 3)
	})
	host := func() bool {
		return cluster.shell(t, "you", "ip netns exec argosy-"+cluster.name+" timeout 2 bash -c '</dev/tcp/10.99.0.13/22' 2>/dev/null").code == 0
	}
	silent := func(when string) {
		t.Helper()
		cluster.must(t, "core-01", "sudo ip neighbour flush to 10.99.0.13")
		if reaches(t, "core-01", "core-03") || reaches(t, "core-02", "core-03") || host() {
			t.Errorf("%s: somebody reaches core-03", when)
		}
		if neighbour := cluster.must(t, "core-01", "ip neighbour show 10.99.0.13"); strings.Contains(neighbour, "lladdr") {
			t.Errorf("%s: core-03's kernel has said where it is: %s", when, neighbour)
		}
	}
	if !host() || !reaches(t, "core-01", "core-03") {
		t.Fatal("core-03 is not reached before anything is done to it")
	}
	cluster.do(t, "chaos", "pause", "core-03")
	silent("paused")
	cluster.do(t, "chaos", "partition", "core-03", "--from", "core-01")
	cluster.do(t, "chaos", "heal", "core-03")
	silent("paused, cut off and healed")
	if out := cluster.run(t, nil, cluster.argosy, "chaos", "reboot", "core-03", "--name", cluster.name); out.code != 1 || !strings.Contains(out.stderr, "is paused") {
		t.Errorf("reboot of a paused machine: exit %d, %s", out.code, out.stderr)
	}

	cluster.do(t, "chaos", "partition", "core-03", "--from", "core-01")
	cluster.do(t, "chaos", "resume", "core-03")
	reached := func(when, by string) {
		t.Helper()
		eventually(t, 30*time.Second, func() error {
			if !reaches(t, by, "core-03") {
				return fmt.Errorf("%s: %s does not reach core-03", when, by)
			}
			return nil
		})
	}
	reached("resumed, cut off from core-01 alone", "core-02")
	if reaches(t, "core-01", "core-03") || !host() {
		t.Error("resumed while cut off from core-01: not just that is so")
	}
	cluster.do(t, "chaos", "heal", "core-03")
	reached("resumed and healed", "core-01")

	cluster.do(t, "chaos", "pause", "core-03")
	cluster.do(t, "chaos", "kill", "core-03")
	cluster.do(t, "chaos", "start", "core-03")
	reached("killed while it was paused, and booted", "core-01")
}

func TestSlowDoesWhatTheKernelCan(t *testing.T) {
	t.Cleanup(func() {
		cluster.do(t, "chaos", "heal", "core-02")
		cluster.whole(t, "hello@", 3)
	})
	cluster.do(t, "chaos", "slow", "core-02", "--loss", "100%")
	if reaches(t, "core-02", "core-01") {
		t.Error("all packets are lost, and ping is answered")
	}
	cluster.do(t, "chaos", "heal", "core-02")
	cluster.do(t, "chaos", "slow", "core-02", "--rate", "1mbit")
	// 500 kB take four seconds at 1 Mbit/s; a loaded machine only makes it longer.
	began := time.Now()
	if got := len(cluster.must(t, "core-02", "head -c 500000 /dev/zero")); got != 500000 || time.Since(began) < 2*time.Second {
		t.Errorf("%d bytes in %s at 1 Mbit/s", got, time.Since(began))
	}
	cluster.do(t, "chaos", "heal", "core-02")
	out := cluster.run(t, nil, cluster.argosy, "chaos", "slow", "core-02", "--delay", "50ms", "--name", cluster.name)
	if out.code != 0 && !strings.Contains(out.stderr, "netem") {
		t.Errorf("a delay ended with %d and does not name what the kernel lacks: %s", out.code, out.stderr)
	}
}

func TestChaosRefusesWhatIsNotThere(t *testing.T) {
	for line, says := range map[string]string{
		"argosy chaos kill core-09":                       "core-09",
		"argosy chaos partition core-01 --one-way across": "across",
		"argosy chaos slow core-01 --loss 120%":           "120%",
		"argosy chaos slow core-01":                       "--rate",
		"argosy chaos melt core-01":                       "melt",
		"argosy chaos kill":                               "MACHINE",
		"argosy ssh":                                      "MACHINE",
		"argosy up --machines 0 --name none":              "0",
		"argosy up --machines 4 --members 4 --name none":  "odd",
		"argosy up --name 'no/name'":                      "no/name",
		"argosy status --name nobody":                     "nobody",
		// A host that lacks every program is told the packages, all at once.
		"a=$(command -v argosy); PATH=/nowhere $a up --name none":  "systemd-container",
		"a=$(command -v argosy); PATH=/nowhere $a up --name  none": "nftables",
	} {
		if out := cluster.shell(t, "you", line); out.code == 0 || !strings.Contains(out.stderr, says) {
			t.Errorf("%s\nexit %d, expected a failure that speaks of %q\n%s%s", line, out.code, says, out.stdout, out.stderr)
		}
	}
	if left := slices.Concat(traces(t, "no"), traces(t, "none")); len(left) > 0 {
		t.Errorf("what was refused left %q", left)
	}
}
