//go:build machines

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// typeCase is a unit of one type with what it needs, from start to destruction.
type typeCase struct {
	start  []string          // units, in this order; the first is the one that it is about
	files  map[string]string // their texts
	active string            // what list-units shows of the first: ACTIVE SUB
	// effect is tried on the unit's machine until it prints what is expected.
	effect, prints string
}

const near = "[X-Fleet]\nMachineOf="

// typeCases are the types of which a machine in a container can have units. What
// systemd refuses there is in TestTypesThatContainersLack.
var typeCases = map[string]typeCase{
	"socket": {
		start: []string{"echo.socket", "echo@.service"},
		files: map[string]string{
			"echo.socket":   "[Unit]\nDescription=Echo for %N\n[Socket]\nListenStream=/run/echo.sock\nAccept=yes\n[Install]\nWantedBy=sockets.target\n",
			"echo@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
		},
		active: "active listening",
	},
	"socket and service": {
		start: []string{"once.socket", "once.service"},
		files: map[string]string{
			"once.socket":  "[Socket]\nListenFIFO=/run/once.fifo\nRemoveOnStop=yes\n",
			"once.service": "[Service]\nType=oneshot\nStandardInput=socket\nExecStart=/bin/sh -c 'head -n1 > /run/once.got'\n" + near + "once.socket\n",
		},
		active: "active listening",
		effect: "test -s /run/once.got || echo by connection | sudo timeout 5 tee /run/once.fifo >/dev/null; cat /run/once.got", prints: "by connection\n",
	},
	"timer": {
		start: []string{"tick.timer", "tick.service"},
		files: map[string]string{
			"tick.timer":   "[Timer]\nOnActiveSec=1s\nAccuracySec=100ms\n[X-Fleet]\nConflicts=tock.timer\n",
			"tick.service": "[Service]\nType=oneshot\nExecStart=/bin/touch /run/%p.got\n" + near + "tick.timer\n",
		},
		active: "active ...",
		effect: "ls /run/tick.got", prints: "/run/tick.got\n",
	},
	"path": {
		start: []string{"drop.path", "drop.service"},
		files: map[string]string{
			"drop.path":    "[Path]\nPathExists=/run/drop.in\nUnit=drop.service\n",
			"drop.service": "[Service]\nType=oneshot\nExecStart=/bin/mv /run/drop.in /run/drop.got\n" + near + "drop.path\n",
		},
		active: "active ...",
		effect: "test -e /run/drop.got || sudo touch /run/drop.in; ls /run/drop.got", prints: "/run/drop.got\n",
	},
	"target": {
		start:  []string{"stage.target"},
		files:  map[string]string{"stage.target": "[Unit]\nDescription=Stage\n"},
		active: "active active",
	},
	"mount": {
		start:  []string{"run-files.mount"},
		files:  map[string]string{"run-files.mount": "[Mount]\nWhat=tmpfs\nType=tmpfs\nWhere=/run/files\nOptions=size=1M\n"},
		active: "active mounted",
		effect: "findmnt -no FSTYPE /run/files", prints: "tmpfs\n",
	},
	"slice": {
		start: []string{"share.slice", "shared@1.service"},
		files: map[string]string{
			"share.slice":     "[Slice]\nCPUWeight=50\n",
			"shared@.service": "[Service]\nExecStart=/bin/sleep 1000\nSlice=share.slice\n" + near + "share.slice\n",
		},
		active: "active active",
		effect: "systemctl show -P ControlGroup shared@1.service", prints: "/share.slice/shared@1.service\n",
	},
}

// Every type of unit that systemd takes from a file is started, shown, stopped and
// destroyed, and leaves nothing.
func TestEveryType(t *testing.T) {
	for name, c := range typeCases {
		t.Run(name, func(t *testing.T) { c.run(t) })
	}
}

func (c typeCase) run(t *testing.T) {
	for file, text := range c.files {
		cluster.mustWrite(t, "core-01", "/home/core/types/"+file, text)
	}
	var instances []string
	for _, unit := range c.start {
		if !strings.Contains(unit, "@.") {
			instances = append(instances, unit)
		}
	}
	all := strings.Join(c.start, " ")
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy "+all+"; sudo rm -rf types")
		for _, machine := range allMachines {
			cluster.shell(t, machine, "sudo rm -rf /run/*.got /run/*.fifo /run/echo.sock /run/files")
		}
	})
	for _, unit := range c.start[1:] { // what the first one activates is loaded beside it
		if strings.Contains(unit, "@.") {
			cluster.must(t, "core-01", "cd types && fleetctl submit "+unit)
		}
	}
	cluster.must(t, "core-01", "cd types && fleetctl load "+c.start[0])
	for _, unit := range instances[1:] {
		verb := "load"
		if strings.Contains(unit, "@") {
			verb = "start"
		}
		cluster.must(t, "core-01", "cd types && fleetctl "+verb+" "+unit)
	}
	cluster.must(t, "core-01", "cd types && fleetctl start "+c.start[0])
	machine, states := cluster.shown(t, c.start[0])
	if !matches([]string{c.active}, states+"\n") {
		t.Errorf("list-units shows %q, expected %q", states, c.active)
	}
	if c.effect != "" {
		eventually(t, 20*time.Second, func() error {
			if out := cluster.shell(t, machine, c.effect); out.stdout != c.prints {
				return fmt.Errorf("%s $ %s\nprinted %q %s, expected %q", machine, c.effect, out.stdout, out.stderr, c.prints)
			}
			return nil
		})
	}
	cluster.must(t, "core-01", "fleetctl stop "+c.start[0])
	if _, states := cluster.shown(t, c.start[0]); !strings.HasPrefix(states, "inactive ") {
		t.Errorf("list-units shows %q of a stopped unit", states)
	}
	cluster.must(t, "core-01", "fleetctl destroy "+all)
	for _, unit := range c.start {
		line := "ls -d /run/fleet/*/" + unit + "* /run/systemd/system/" + unit + "* 2>/dev/null; systemctl list-units --all --no-legend " + unit
		if out := cluster.shell(t, machine, line); out.stdout != "" {
			t.Errorf("left on %s:\n%s", machine, out.stdout)
		}
	}
}

// shown is where a unit is and what list-units says of it.
func (c local) shown(t *testing.T, unit string) (machine, states string) {
	t.Helper()
	names := c.machineNames(t, "core-01")
	for _, row := range c.listUnits(t, "core-01") {
		if row.Unit == unit {
			return names[row.Machine], row.Active + " " + row.Sub
		}
	}
	t.Fatalf("list-units does not show %s", unit)
	return "", ""
}

// What systemd has no units of in a container it says of the unit, and nothing of
// it stays.
func TestTypesThatContainersLack(t *testing.T) {
	for unit, text := range map[string]string{
		"run-later.automount": "[Automount]\nWhere=/run/later\n",
		"run-room.swap":       "[Swap]\nWhat=/run/room\n",
		"dev-nothing.device":  "[Unit]\nDescription=None\n",
	} {
		cluster.mustWrite(t, "core-01", "/home/core/types/"+unit, text)
		out := cluster.shell(t, "core-01", "cd types && fleetctl start "+unit)
		if out.code != 1 || !strings.Contains(out.stderr, "systemd has no units of this type on this machine") {
			t.Errorf("start %s: exit %d\n%s%s", unit, out.code, out.stdout, out.stderr)
		}
		cluster.must(t, "core-01", "fleetctl destroy "+unit)
	}
	out := cluster.shell(t, "core-01", "cd types && printf '[Unit]\\n' > own.scope && fleetctl start own.scope; code=$?; cd; rm -rf types; exit $code")
	if out.code != 1 || !strings.Contains(out.stderr, "own.scope: systemd has no scopes of files") {
		t.Errorf("start own.scope: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}
