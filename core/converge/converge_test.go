package converge

import (
	"fmt"
	"strings"
	"testing"

	"argosy/core/cluster"
)

const boot = "boot-1"

func placed(generation int64, hash cluster.Hash, desired cluster.Desired) *cluster.Placement {
	return &cluster.Placement{Unit: "web.service", Hash: hash, Desired: desired, Generation: generation, Reason: "fewest units"}
}

func begun(generation int64) *Record {
	return &Record{Unit: "web.service", Generation: generation, Hash: "aa", Boot: boot, Begun: true}
}

var (
	up     = Status{Unit: "web.service", InMemory: true, Load: "loaded", Active: "active", Sub: "running", Invocation: "i1"}
	ended  = Status{Unit: "web.service", InMemory: true, Load: "loaded", Active: "inactive", Sub: "dead", Invocation: "i1"}
	failed = Status{Unit: "web.service", InMemory: true, Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code", Invocation: "i1"}
)

// short prints steps without their reasons.
func short(steps []Step) string {
	var words []string
	for _, s := range steps {
		name := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", s), "converge."))
		switch s := s.(type) {
		case Write:
			if s.Stale {
				name += "!"
			}
		case Start:
			name += fmt.Sprint(s.Generation)
		case Restart:
			name += fmt.Sprint(s.Generation)
		}
		words = append(words, name)
	}
	return strings.Join(words, " ")
}

func TestPlan(t *testing.T) {
	launched := func(generation int64, hash cluster.Hash) *cluster.Placement {
		return placed(generation, hash, cluster.Launched)
	}
	tests := []struct {
		name string
		unit Unit
		want string
	}{
		{"foreign", Unit{Status: up}, ""},
		{"new, text missing", Unit{Want: launched(1, "aa")}, "fetch"},
		{"new, text at hand", Unit{Want: launched(1, "aa"), HasText: true}, "write start1"},
		{"text written, not started", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa"}, "start1"},
		{"as wanted", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa", Record: begun(1), Status: up}, ""},
		{"ended well", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa", Record: begun(1)}, ""},
		{"ended badly", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa", Record: begun(1), Status: failed}, ""},
		{"stopped by hand", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa", Record: begun(1), Status: ended}, ""},
		{"record of another boot", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 1, Boot: "boot-0", Begun: true}}, "start1"},
		{"record of another boot, up by itself", Unit{Want: launched(2, "aa"), HasFile: true, File: "aa", Status: up,
			Record: &Record{Generation: 1, Boot: "boot-0", Begun: true}}, "start2"},
		{"new text, running", Unit{Want: launched(2, "bb"), HasText: true, HasFile: true, File: "aa", Record: begun(1), Status: up}, "write! reload restart2"},
		{"new text, ended and out of memory", Unit{Want: launched(2, "bb"), HasText: true, HasFile: true, File: "aa", Record: begun(1)}, "write start2"},
		{"new text, failed", Unit{Want: launched(2, "bb"), HasText: true, HasFile: true, File: "aa", Record: begun(1), Status: failed}, "write! reload start2"},
		{"new text still missing keeps running", Unit{Want: launched(2, "bb"), HasFile: true, File: "aa", Record: begun(1), Status: up}, "fetch"},
		{"stopped and started, seen as one change", Unit{Want: launched(3, "aa"), HasFile: true, File: "aa", Record: begun(1), Status: up}, "restart3"},
		{"new generation of an ended one", Unit{Want: launched(3, "aa"), HasFile: true, File: "aa", Record: begun(1)}, "start3"},
		{"text altered by hand", Unit{Want: launched(1, "aa"), HasText: true, HasFile: true, File: "zz", Record: begun(1), Status: up}, "write! reload"},
		{"incomplete file", Unit{Want: launched(1, "aa"), HasText: true, HasFile: true}, "write start1"},
		{"another text is running without a record", Unit{Want: launched(1, "bb"), HasText: true, HasFile: true, File: "aa", Status: up}, "write! reload restart1"},
		{"systemd remembers the name as not found", Unit{Want: launched(1, "aa"), HasText: true,
			Status: Status{InMemory: true, Load: "not-found", Active: "inactive"}}, "write start1"},
		{"crashed between write and reload", Unit{Want: launched(2, "bb"), HasFile: true, File: "bb", Record: begun(1),
			Status: Status{InMemory: true, Load: "loaded", Active: "active", NeedReload: true}}, "reload restart2"},
		{"a drop-in changed: not ours to reload", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa", Record: begun(1),
			Status: Status{InMemory: true, Load: "loaded", Active: "active", NeedReload: true}}, ""},
		{"shadowed and already running", Unit{Want: launched(1, "aa"), HasText: true,
			Status: Status{InMemory: true, Load: "loaded", Active: "active", Shadow: "/etc/systemd/system/web.service"}}, "write! reload start1"},

		{"asked, crashed before the start", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 1, Boot: boot}}, "start1"},
		{"asked, crashed after the start", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 1, Boot: boot}, Status: up}, "adopt"},
		{"asked, crashed, failed meanwhile", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 1, Boot: boot, Before: "i0"}, Status: failed}, "adopt"},
		{"asked again, crashed before the restart", Unit{Want: launched(2, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 2, Boot: boot, Before: "i1"}, Status: up}, "restart2"},
		{"asked again, nobody knows whether it was done, and systemd restarted it by itself", Unit{Want: launched(2, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 2, Boot: boot, Before: "i0"}, ByItself: up.Invocation, Status: up}, "restart2"},
		{"asked, crashed, the old invocation is there", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 1, Boot: boot, Before: "i1"}, Status: failed}, "start1"},

		{"wanted again after fleetd ended while stopping it", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 1, Boot: boot, Begun: true, Stopping: true}}, "start1"},
		{"wanted again while it is being stopped", Unit{Want: launched(1, "aa"), HasFile: true, File: "aa",
			Record: &Record{Generation: 1, Boot: boot, Begun: true, Stopping: true}, Status: up}, "restart1"},

		{"loaded, new", Unit{Want: placed(1, "aa", cluster.Loaded), HasText: true}, "write"},
		{"loaded, as wanted", Unit{Want: placed(1, "aa", cluster.Loaded), HasFile: true, File: "aa"}, ""},
		{"loaded, started by hand", Unit{Want: placed(1, "aa", cluster.Loaded), HasFile: true, File: "aa", Status: up}, ""},
		{"loaded after launched", Unit{Want: placed(2, "aa", cluster.Loaded), HasFile: true, File: "aa", Record: begun(1), Status: up}, "stop forget"},
		{"loaded after launched, starting", Unit{Want: placed(2, "aa", cluster.Loaded), HasFile: true, File: "aa", Record: begun(1),
			Status: Status{InMemory: true, Active: "inactive", Job: 7}}, "stop forget"},
		{"loaded after it ended", Unit{Want: placed(2, "aa", cluster.Loaded), HasFile: true, File: "aa", Record: begun(1), Status: ended}, "forget"},
		{"loaded with a new text stops first", Unit{Want: placed(2, "bb", cluster.Loaded), HasFile: true, File: "aa", Record: begun(1), Status: up}, "stop forget"},

		{"gone, running", Unit{HasFile: true, File: "aa", Record: begun(1), Status: up}, "stop remove"},
		{"gone, stopping", Unit{HasFile: true, File: "aa", Record: begun(1), Status: Status{InMemory: true, Active: "deactivating"}}, "stop remove"},
		{"gone, failed", Unit{HasFile: true, File: "aa", Record: begun(1), Status: failed}, "remove"},
		{"gone, started by hand from our text", Unit{HasFile: true, File: "aa", Status: up}, "stop remove"},
		{"gone, shadowed, never started by us", Unit{HasFile: true, File: "aa",
			Status: Status{InMemory: true, Active: "active", Shadow: "/etc/systemd/system/web.service"}}, "remove"},
		{"gone, shadowed, started by us", Unit{HasFile: true, File: "aa", Record: begun(1),
			Status: Status{InMemory: true, Active: "active", Shadow: "/etc/systemd/system/web.service"}}, "stop remove"},
		{"only a record of another boot", Unit{Record: &Record{Boot: "boot-0", Begun: true}, Status: up}, "remove"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.unit.Name = "web.service"
			if got := short(Plan(boot, []Unit{test.unit})); got != test.want {
				t.Errorf("steps %q, expected %q", got, test.want)
			}
		})
	}
}

// TestPlanQuadlet: what Podman's generator is to read takes a reload, and so does
// what it made of a file that is gone.
func TestPlanQuadlet(t *testing.T) {
	launched := placed(1, "aa", cluster.Launched)
	for _, test := range []struct {
		name string
		unit Unit
		want string
	}{
		{"new", Unit{Want: launched, HasText: true}, "write! reload start1"},
		{"new, loaded", Unit{Want: placed(1, "aa", cluster.Loaded), HasText: true}, "write! reload"},
		{"launched after loaded", Unit{Want: launched, HasFile: true, File: "aa"}, "reload start1"},
		{"launched, held by systemd", Unit{Want: launched, HasFile: true, File: "aa", Status: Status{InMemory: true, Load: "loaded"}}, "start1"},
		{"referred to by another unit, and not found", Unit{Want: launched, HasFile: true, File: "aa",
			Status: Status{InMemory: true, Load: "not-found"}}, "reload start1"},
		{"the generator made nothing of it", Unit{Want: launched, HasFile: true, File: "aa", Record: &Record{Generation: 1, Boot: boot}}, "start1"},
		{"as wanted", Unit{Want: launched, HasFile: true, File: "aa", Record: begun(1), Status: up}, ""},
		{"gone, running", Unit{HasFile: true, File: "aa", Record: begun(1), Status: up}, "stop remove"},
		{"removed, the service is still there", Unit{Leftover: true}, "reload"},
		{"back before the reload", Unit{Want: launched, HasText: true, Leftover: true}, "write! reload start1"},
	} {
		test.unit.Name = "web.container"
		if got := short(Plan(boot, []Unit{test.unit})); got != test.want {
			t.Errorf("%s: steps %q, expected %q", test.name, got, test.want)
		}
	}
}

func TestPlanReloadsOnceForABatch(t *testing.T) {
	var units []Unit
	for i := range 3 {
		name := cluster.UnitName(fmt.Sprintf("u%d.service", 2-i))
		units = append(units, Unit{Name: name, Want: placed(2, "bb", cluster.Launched), HasText: true,
			HasFile: true, File: "aa", Record: begun(1), Status: up})
	}
	units = append(units, Unit{Name: "new.service", Want: placed(1, "aa", cluster.Launched), HasText: true},
		Unit{Name: "old.service", HasFile: true, File: "aa", Record: begun(1), Status: up})
	got := short(Plan(boot, units))
	if want := "stop remove write write! write! write! reload start1 restart2 restart2 restart2"; got != want {
		t.Errorf("steps %q, expected %q", got, want)
	}
	for _, s := range Plan(boot, units) {
		if r, is := s.(Reload); is && fmt.Sprint(r.Units) != "[u0.service u1.service u2.service]" {
			t.Errorf("reload is for %v", r.Units)
		}
	}
}

func TestState(t *testing.T) {
	tests := []struct {
		name    string
		unit    Unit
		working bool
		problem string
		want    string
	}{
		{"active", Unit{Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa", Record: begun(4), Status: up}, false, "",
			"4 aa loaded active running success settled "},
		{"being started", Unit{Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa"}, true, "",
			"4 aa loaded inactive dead  working "},
		{"a job is under way", Unit{Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa", Record: begun(4),
			Status: Status{InMemory: true, Active: "activating", Sub: "start-pre", Job: 9}}, false, "",
			"4 aa loaded activating start-pre  working "},
		{"ended at once and left systemd's memory", Unit{Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa", Record: begun(4)}, false, "",
			"4 aa loaded inactive dead success settled "},
		{"failed", Unit{Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa", Record: begun(4), Status: failed}, false, "",
			"4 aa loaded failed failed exit-code settled "},
		{"its text is on the way", Unit{Want: placed(4, "aa", cluster.Launched)}, true, "",
			"4  stub inactive dead  working "},
		{"no text", Unit{Want: placed(4, "aa", cluster.Launched)}, false, "its text is not in the store",
			"4  not-found inactive dead  settled its text is not in the store"},
		{"dependency", Unit{Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa",
			Record: &Record{Begun: true, Outcome: "dependency"}}, false, "",
			"4 aa loaded inactive dead success settled not started: a unit that it requires did not start"},
		{"shadowed", Unit{Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa", Record: begun(4),
			Status: Status{InMemory: true, Load: "loaded", Active: "active", Sub: "running", Shadow: "/etc/systemd/system/web.service"}}, false, "",
			"4 aa loaded active running success settled NOTE /etc/systemd/system/web.service shadows fleet's text of this unit: systemd runs that file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := State("m1", test.unit, test.working, test.problem)
			got := fmt.Sprintf("%d %s %s %s %s %s %s %s%s", s.Generation, s.Hash, s.Load, s.Active, s.Sub, s.Result, s.Phase, s.Problem, noted(s))
			if got != test.want {
				t.Errorf("state %q, expected %q", got, test.want)
			}
		})
	}
}

func noted(s cluster.UnitState) string {
	if s.Note == "" {
		return ""
	}
	return "NOTE " + s.Note
}
