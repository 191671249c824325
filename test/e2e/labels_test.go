//go:build machines

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLabels has an operator change what machines are known by while they run:
// what moves is shown first, asked for, and then moves; why tells the same.
func TestLabels(t *testing.T) {
	id := strings.TrimSpace(cluster.must(t, "core-02", "cat /etc/machine-id"))
	t.Cleanup(func() {
		cluster.must(t, "core-01", "for m in core-01 core-02 core-03; do fleetctl label $m --reset --yes; done")
	})
	cluster.must(t, "core-01", "fleetctl label core-02 zone=east && fleetctl label core-03 zone=west")
	if got := cluster.placed(t, "eastern.service", sleeper+"\n[X-Fleet]\nMachineMetadata=zone=east\n"); got != "core-02" {
		t.Fatalf("it runs on %s, only core-02 is in the east", got)
	}
	moves := "1 unit would move:"
	if out := cluster.shell(t, "core-03", "fleetctl label core-02 zone=west"); out.code != 6 || !strings.Contains(out.stdout, moves) ||
		!strings.Contains(out.stdout, "eastern.service") || !strings.Contains(out.stderr, "nothing is changed; --yes labels") {
		t.Errorf("a label that moves a unit, unasked: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
	if out := cluster.shell(t, "core-01", "fleetctl label core-01 zone=west --dry-run"); out.code != 0 || !strings.Contains(out.stdout, "No unit moves.") {
		t.Errorf("a label that moves nothing: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}
	if out := cluster.shell(t, "core-01", "fleetctl why eastern"); out.code != 0 || !strings.Contains(out.stdout, "core-02") || !strings.Contains(out.stdout, "zone=east") {
		t.Errorf("why: exit %d\n%s%s", out.code, out.stdout, out.stderr)
	}

	// Core-03 takes the east over, so that the unit follows.
	cluster.must(t, "core-01", "fleetctl label core-03 zone=east && fleetctl label "+id[:6]+" zone=west --yes")
	eventually(t, 30*time.Second, func() error {
		if on := cluster.machineOf(t, "eastern.service"); on != "core-03" {
			return fmt.Errorf("eastern.service is on %s, the east is core-03", on)
		}
		return nil
	})
	if got := cluster.must(t, "core-01", "fleetctl label core-02"); !strings.Contains(got, "zone\twest\toperator") {
		t.Errorf("core-02's labels: %s", got)
	}

	// fleet's own clients do the same, and see it; a machine that restarts keeps it.
	cluster.must(t, "core-01", `curl -sSf --unix-socket /run/fleet.sock -X PATCH -H 'Content-Type: application/json' http://fleet/fleet/v1/machines `+
		`-d '[{"op":"add","path":"/`+id+`/metadata/disk","value":"ssd"},{"op":"remove","path":"/`+id+`/metadata/zone"}]'`)
	cluster.must(t, "core-02", "sudo systemctl restart fleet")
	eventually(t, 30*time.Second, func() error {
		if got := cluster.must(t, "core-01", "curl -sS --unix-socket /run/fleet.sock http://fleet/fleet/v1/machines"); !strings.Contains(got, `"id":"`+id+`","metadata":{"disk":"ssd"}`) {
			return fmt.Errorf("machines are %s", got)
		}
		return nil
	})
}

// TestPages reads a list page by page through one machine and another.
func TestPages(t *testing.T) {
	var names []string
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		names = append(names, "page-"+n+".service")
		cluster.write(t, "core-01", "/home/core/page-"+n+".service", sleeper)
	}
	all := strings.Join(names, " ")
	t.Cleanup(func() { cluster.shell(t, "core-01", "fleetctl destroy "+all+"; rm -f "+all) })
	cluster.must(t, "core-01", "fleetctl submit "+all)
	seen, next := map[string]int{}, ""
	for i := 0; i == 0 || next != ""; i++ {
		from := []string{"core-01", "core-02", "core-03"}[i%3]
		text := cluster.must(t, from, "curl -sSf --unix-socket /run/fleet.sock 'http://fleet/fleet/v2/units?limit=2"+next+"'")
		var page struct {
			Continue string
			Units    []struct{ Name string }
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, unit := range page.Units {
			seen[unit.Name]++
		}
		if next = ""; page.Continue != "" {
			next = "&continue=" + page.Continue
		}
		if i == 0 {
			cluster.must(t, "core-02", "fleetctl destroy page-e")
		}
	}
	for _, name := range names {
		if seen[name] != 1 {
			t.Errorf("%s came %d times on pages of one moment", name, seen[name])
		}
	}
	if out := cluster.shell(t, "core-03", "curl -sS --unix-socket /run/fleet.sock http://fleet/fleet/v2/openapi.json | head -c 2000"); !strings.Contains(out.stdout, `"openapi"`) && !strings.Contains(out.stdout, "components") {
		t.Errorf("the API's document: %s", out.stdout)
	}
}
