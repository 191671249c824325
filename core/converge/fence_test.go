package converge

import (
	"fmt"
	"testing"

	"argosy/core/cluster"
)

// TestFence: what the fence has ended is started again when the machine is back in
// touch, and only that.
func TestFence(t *testing.T) {
	const up, down, ending, starting = "active", "", "deactivating", "inactive"
	fence := func(active, invocation string) Status {
		return Status{Unit: FenceUnit, InMemory: true, Active: active, Invocation: invocation}
	}
	noted, fresh, fallen, over := Record{Fence: "f1"}, Record{Fence: Awaited}, Record{Fence: Fallen}, Record{}
	lapsed := Record{Fence: "f0"}                     // whose time is over
	seen := Record{Fence: Awaited, Outcome: "failed"} // was seen running behind f3 while its job went on
	for _, test := range []struct {
		name    string
		record  Record
		active  string
		fence   Status
		inTouch bool
		settled bool
		want    string
	}{
		{"runs, seen first", fresh, up, fence("active", "f1"), true, false, "guard f1"},
		{"runs as noted", noted, up, fence("active", "f1"), true, false, ""},
		{"started by hand behind another fence", noted, up, fence("active", "f2"), true, false, "guard f2"},
		{"runs, and of the fence not all is known yet", noted, up, fence("active", ""), true, false, ""},
		{"runs still while the fence falls", noted, up, fence("failed", "f1"), true, true, ""},

		{"is being ended by the fence", noted, ending, fence("failed", "f1"), true, false, "guard fallen"},
		{"is being ended by the fence, and another stands", noted, ending, fence("active", "f2"), true, false, "guard fallen"},
		{"is being ended by the fence, as noted", fallen, ending, fence("active", "f2"), true, false, ""},
		{"waits for the fence to start", fresh, starting, fence("activating", "f1"), true, true, ""},
		{"ended by the fence, out of touch", noted, down, fence("failed", "f1"), false, true, "guard fallen"},
		{"ended by the fence, as noted, out of touch", fallen, down, fence("failed", "f1"), false, true, ""},
		{"ended by the fence, as noted, and another has come down since", fallen, down, Status{}, true, true, "start"},
		{"runs again after a fall", fallen, up, fence("active", "f2"), true, true, "guard f2"},
		{"ended by the fence, back in touch", noted, down, fence("failed", "f1"), true, false, "start"},
		{"ended by a fence before the one that stands", noted, down, fence("active", "f2"), true, false, "start"},
		{"the fence is about to fall", noted, down, fence("deactivating", "f1"), true, true, ""},
		{"the fence is about to stand", noted, down, fence("activating", ""), true, true, ""},
		{"ended by the fence before its record said so", seen, down, fence("failed", "f3"), true, false, "start"},
		{"ended by the fence before its record said so, and another stands", seen, down, fence("active", "f4"), true, false, "start"},
		{"ended by itself before its record said more", seen, down, fence("active", "f3"), true, true, "guard -"},
		{"its start was kept back by the fence", fresh, down, fence("failed", "f1"), true, true, "start"},
		{"ended at once, and the fence that fell before it stands again, unheard", fresh, down, fence("failed", "f1"), true, false, ""},

		{"of a fence that is over, and still runs", lapsed, up, fence("active", "f0"), true, false, ""},
		{"ended, and its fence was over and has come down since for another", lapsed, down, Status{}, true, true, "start"},
		{"ended, and its fence was over, out of touch", lapsed, down, fence("active", "f0"), false, false, "guard fallen"},
		{"ended by itself behind a later fence than the one that was over", noted, down, fence("active", "f1"), true, true, "guard -"},

		{"ended by itself, just now", noted, down, fence("active", "f1"), true, false, ""},
		{"ended by itself", noted, down, fence("active", "f1"), true, true, "guard -"},
		{"ended by itself, the last behind the fence", noted, down, fence("inactive", ""), true, true, "guard -"},
		{"the fence has left systemd's memory", noted, down, Status{}, true, true, "guard -"},
		{"ended before it was seen", fresh, down, fence("active", "f1"), true, true, "guard -"},
		{"ended by itself before the fence fell", over, down, fence("failed", "f1"), true, true, ""},
		{"started by hand after its end", over, up, fence("active", "f1"), true, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := test.record
			r.Unit, r.Generation, r.Boot, r.Begun = "db.service", 4, "boot-1", true
			u := Unit{Name: "db.service", Want: placed(4, "aa", cluster.Launched), HasFile: true, File: "aa", Record: &r,
				Fence: &Fence{Status: test.fence, InTouch: test.inTouch, Settled: test.settled, Over: "f0"}}
			if test.record == seen {
				u.Fence.Stood = "f3"
			}
			if test.active != down {
				u.Status = Status{Unit: u.Name, InMemory: true, Active: test.active, Invocation: "u1"}
			}
			if test.active == starting {
				u.Status.Job = 7
			}
			got := ""
			for _, step := range Plan("boot-1", []Unit{u}) {
				switch step := step.(type) {
				case Guard:
					got += fmt.Sprintf("guard %s", orDash(step.Fence))
				case Start:
					got += "start"
				default:
					got += fmt.Sprintf("%#v", step)
				}
			}
			if got != test.want {
				t.Errorf("planned %q, expected %q", got, test.want)
			}
			u.Fence = nil
			if steps := Plan("boot-1", []Unit{u}); len(steps) != 0 {
				t.Errorf("without a fence: planned %#v, expected nothing", steps)
			}
		})
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
