//go:build machines

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// sleeper is a unit that runs until it is told to stop.
const sleeper = "[Unit]\nDescription=Sleeper %i\n\n[Service]\nExecStart=/usr/bin/sleep infinity\n"

// where is one row of list-units.
type where struct{ Unit, Machine, Active, Sub string }

// listUnits reads list-units as scripts do.
func (c local) listUnits(t *testing.T, from string) []where {
	t.Helper()
	var answer struct{ States []where }
	c.readJSON(t, from, "fleetctl list-units -o json", &answer)
	return answer.States
}

// readJSON reads what a command prints with -o json.
func (c local) readJSON(t *testing.T, machine, line string, into any) {
	t.Helper()
	if out := c.must(t, machine, line); json.Unmarshal([]byte(out), into) != nil {
		t.Fatalf("%s $ %s\nprinted no JSON of the expected shape:\n%s", machine, line, out)
	}
}

// startInstances puts a template on core-01 and starts instances of it; all that
// it made is destroyed when the test ends.
func (c local) startInstances(t *testing.T, template, text string, instances ...string) {
	t.Helper()
	c.write(t, "core-01", "/home/core/"+template, text)
	names := make([]string, len(instances))
	for i, instance := range instances {
		names[i] = strings.Replace(template, "@", "@"+instance, 1)
	}
	t.Cleanup(func() {
		c.shell(t, "core-01", "fleetctl destroy "+strings.Join(names, " ")+" "+template+"; rm -f "+template)
	})
	c.must(t, "core-01", "fleetctl start "+strings.Join(names, " "))
}

// machineNames are the machines by their ids.
func (c local) machineNames(t *testing.T, from string) map[string]string {
	t.Helper()
	var answer struct{ Machines []struct{ ID, Name string } }
	c.readJSON(t, from, "fleetctl list-machines -o json", &answer)
	names := map[string]string{}
	for _, machine := range answer.Machines {
		names[machine.ID] = machine.Name
	}
	return names
}

// mainPIDs finds, on every machine itself, the main processes of the units
// whose names begin with prefix: "core-01/a@1.service" to PID.
func (c local) mainPIDs(t *testing.T, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, machine := range allMachines {
		out := c.must(t, machine, "systemctl list-units --no-legend --plain --state=active '"+prefix+"*' | cut -d' ' -f1 | xargs -r -n1 sh -c 'echo $0 $(systemctl show -P MainPID $0)'")
		for line := range strings.Lines(out) {
			unit, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
			found[machine+"/"+unit] = pid
		}
	}
	return found
}

var allMachines = []string{"core-01", "core-02", "core-03"}

// whole waits until every machine is back and every unit of prefix runs exactly once.
func (c local) whole(t *testing.T, prefix string, units int) {
	t.Helper()
	eventually(t, time.Minute, func() error { return c.counts(t, "core-01", "list-machines", len(allMachines)) })
	eventually(t, time.Minute, func() error {
		pids := c.mainPIDs(t, prefix)
		names := map[string]int{}
		for at := range pids {
			_, unit, _ := strings.Cut(at, "/")
			names[unit]++
		}
		if len(pids) != units || len(names) != units {
			return fmt.Errorf("%d copies of %d units run, expected %d of each: %v", len(pids), len(names), units, slices.Sorted(maps.Keys(pids)))
		}
		return nil
	})
}

// quiet waits until nothing is written to the store for a while: a cluster in
// which nothing happens writes nothing.
func (c local) quiet(t *testing.T) {
	t.Helper()
	eventually(t, 40*time.Second, func() error {
		out := c.shell(t, "core-01", "timeout 8 "+asMember+"watch --prefix /argosy/v1/")
		if out.code != 124 || out.stdout != "" {
			return fmt.Errorf("an idle cluster was written to (exit %d):\n%s%s", out.code, out.stdout, out.stderr)
		}
		return nil
	})
}
