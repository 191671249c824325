package fleetctl

import (
	"strings"
	"testing"

	"argosy/core/schedule"
)

func TestWhy(t *testing.T) {
	w := newWorld(t)
	files(t, "few.service", "many.service", "web@.service")
	w.fleetctl("submit", "few", "many", "web@")
	for form, args := range map[string][]string{"table": nil, "json": {"-o", "json"}, "all": {"--all"}} {
		got := w.fleetctl(append([]string{"why", "few"}, args...)...)
		if got.code != 0 || got.err != "" {
			t.Errorf("%s: %+v", form, got)
		}
		if form != "json" {
			w.golden("why.few."+form, got.out)
		} else if !strings.Contains(got.out, `"reason": "fewest units: 3"`) || !strings.Contains(got.out, `"ageSeconds": `) {
			t.Errorf("%+v", got)
		}
	}
	got := w.fleetctl("why", "many")
	w.golden("why.many.table", got.out)
	if lines := strings.Count(got.out, "\n"); lines > 25 {
		t.Errorf("10,000 machines take %d lines", lines)
	}
	if got := w.fleetctl("why", "many", "--all"); strings.Count(got.out, "\n") != 10_000+3 {
		t.Errorf("--all prints %d lines", strings.Count(got.out, "\n"))
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"", 2, "fleetctl: one unit is expected, 0 were given\nsee 'fleetctl why --help'\n"},
		{"a b", 2, "fleetctl: one unit is expected, 2 were given\nsee 'fleetctl why --help'\n"},
		{"few -o wide", 2, "fleetctl: --output is \"wide\": expected table, json or yaml\n"},
		{"few/", 2, "fleetctl: \".service\" is no unit name: expected a name before the suffix\n"},
		{"fw", 3, "fleetctl: unit fw.service: not found; did you mean few.service?\n"},
	} {
		got := w.fleetctl(append([]string{"why"}, strings.Fields(c.args)...)...)
		if got.code != c.code || !strings.HasPrefix(got.err, c.says) || got.out != "" {
			t.Errorf("why %s: %+v, want exit %d and %q", c.args, got, c.code, c.says)
		}
	}
}

// TestWhyTellsWhatHoldsAllUnits: where nothing is decided at all, that is said of each
// unit.
func TestWhyTellsWhatHoldsAllUnits(t *testing.T) {
	var out strings.Builder
	if err := printWhy(&out, schedule.Explanation{Unit: "a.service", Summary: "a.service waits.", Held: "the door is open: close it"}, false); err != nil {
		t.Fatal(err)
	}
	if want := "a.service waits.\nNothing is decided for any unit now: the door is open: close it\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
