package lab

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func plan(t *testing.T, machines, members int) Plan {
	t.Helper()
	p, err := NewPlan("test", machines, members)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMembers(t *testing.T) {
	for _, c := range []struct{ machines, members, want int }{
		{1, 0, 1}, {2, 0, 1}, {3, 0, 3}, {4, 0, 3}, {50, 0, 3}, {5, 5, 5}, {3, 1, 1},
	} {
		if got := len(plan(t, c.machines, c.members).members()); got != c.want {
			t.Errorf("%d machines, %d members asked for: %d, expected %d", c.machines, c.members, got, c.want)
		}
	}
}

func TestBadPlans(t *testing.T) {
	for name, c := range map[string]struct {
		name              string
		machines, members int
		says              string
	}{
		"no machine":      {"a", 0, 0, "0 machines"},
		"too many":        {"a", 201, 0, "201 machines"},
		"even members":    {"a", 4, 2, "2 members"},
		"more than all":   {"a", 3, 5, "5 members"},
		"negative":        {"a", 3, -1, "-1 members"},
		"no name":         {"", 3, 0, `""`},
		"a path":          {"../x", 3, 0, `"../x"`},
		"overlay's comma": {"a,b", 3, 0, `"a,b"`},
		"too long":        {strings.Repeat("a", 32), 3, 0, "name"},
	} {
		if _, err := NewPlan(c.name, c.machines, c.members); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected it to say %q", name, err, c.says)
		}
	}
}

func TestPlansAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := NewPlan("test", rapid.IntRange(1, maxMachines).Draw(t, "machines"), 0)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{network.Addr().String(): true}
		for _, node := range p.Machines {
			for _, word := range []string{node.Name, node.Address.String(), node.ID} {
				if seen[word] {
					t.Fatalf("%s is there twice", word)
				}
				seen[word] = true
			}
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parsePlan(text); err != nil {
			t.Fatalf("its own plan is refused: %v", err)
		}
	})
	if first := plan(t, 3, 0).Machines[0]; first.Name != "core-01" || first.Address.String() != "10.99.0.11" {
		t.Errorf("the first machine is %s at %s", first.Name, first.Address)
	}
}

func TestDamagedPlans(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "half": `{"version": 1, "mach`, "another version": `{"version": 99}`, "no machines": `{"version": 1}`,
		"foreign address": `{"version":1,"machines":[{"name":"core-01","address":"192.0.2.1","machine_id":"0123456789abcdef0123456789abcdef"}]}`,
		"no id":           `{"version":1,"machines":[{"name":"core-01","address":"10.99.0.11"}]}`,
	} {
		if _, err := parsePlan([]byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add(`{"version":1,"machines":[{"name":"core-01","address":"10.99.0.11","machine_id":"0123456789abcdef0123456789abcdef"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePlan([]byte(text)); err == nil && len(p.Machines) == 0 {
			t.Error("a plan without machines was accepted")
		}
	})
}
