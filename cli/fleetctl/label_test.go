package fleetctl

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/schedule"
)

// worldScheduler moves the units of a machine that is labelled region=us to
// another, and those that begin with "only" to none.
type worldScheduler struct{ *world }

func (s worldScheduler) WhatIf(_ context.Context, events ...cluster.Event) (changes []schedule.Change, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, labelled := events[0].(cluster.LabelsChanged)
	if !labelled || e.Labels.Set["region"] != "us" {
		return nil, nil
	}
	for _, unit := range s.view.Units(nil) {
		for _, on := range unit.On {
			switch {
			case on.Machine != e.Labels.Machine:
			case strings.HasPrefix(string(unit.Name), "only"):
				changes = append(changes, schedule.Refuse{From: on.Machine, Unplaced: cluster.Unplaced{Unit: unit.Name, Reason: "no machine has region=eu"}})
			default:
				changes = append(changes, schedule.Place{From: on.Machine, Placement: cluster.Placement{Unit: unit.Name, Machine: worldIDs[1], Reason: "it has region=eu"}})
			}
		}
	}
	return changes, nil
}

func (s worldScheduler) Why(_ context.Context, name cluster.UnitName) (schedule.Explanation, error) {
	e := schedule.Explanation{Unit: name, Summary: fmt.Sprintf("%s is on core-01, which has the fewest units of those that fit.", name)}
	machines := 3
	if strings.HasPrefix(string(name), "many") {
		machines = 10_000
	}
	for i := range machines {
		v := schedule.Verdict{Machine: cluster.MachineID(fmt.Sprintf("%032x", i+1)), Name: fmt.Sprintf("core-%02d", i+1)}
		switch {
		case i == 0:
			v.Here, v.Fits, v.Reason = true, true, "fewest units: 3"
		case i%100 == 1:
			v.Fits, v.Reason = true, fmt.Sprintf("more units: %d", 4+i%50)
		case i%100 == 2:
			v.Reason = fmt.Sprintf("needs 512 MiB of memory, %d MiB are left", i)
		default:
			v.Reason = "lacks region=eu"
		}
		e.Machines = append(e.Machines, v)
	}
	return e, nil
}

func TestLabel(t *testing.T) {
	w := newWorld(t)
	files(t, "a.service", "only.service")
	w.fleetctl("start", "a", "only")
	label := func(args ...string) said { return w.fleetctl(append([]string{"label"}, args...)...) }

	w.want(label("core-01"), 0, "KEY\tVALUE\tFROM\n", "")
	w.want(label("core-01", "disk=ssd"), 0, "No unit moves.\nMachine core-01 labelled: disk=ssd\n", "")
	w.want(label("148a", "disk=ssd"), 0, "No unit moves.\nMachine core-01 was labelled so already: disk=ssd\n", "")
	w.want(label("core-01", "-o", "json", "disk-", "--dry-run"), 0, `{
  "machine": "148a18ff6e954cd892dac9de9bb90d5a",
  "name": "core-01",
  "revision": `+fmt.Sprint(w.labels(worldIDs[0]).Revision)+`,
  "changed": true,
  "dryRun": true
}
`, "")

	moves := "2 units would move:\nUNIT\t\tFROM\t\t\tTO\t\t\tREASON\n" +
		"a.service\t148a18ff.../10.10.1.1\t491586a6.../10.10.1.2\tit has region=eu\n" +
		"only.service\t148a18ff.../10.10.1.1\t-\t\t\tno machine has region=eu\n"
	w.want(label("core-01", "region=us", "--dry-run"), 6, moves, "")
	w.want(label("core-01", "region=us"), 6, moves, "fleetctl: 2 units would move: nothing is changed; --yes labels the machine all the same\n")
	w.want(label("core-01", "region=us", "-o", "json"), 6, "", "2 units would move: nothing is changed")
	if set := w.labels(worldIDs[0]).Set; set["region"] != "" {
		t.Errorf("it is changed all the same: %v", set)
	}
	w.want(label("core-01", "region=us", "--yes"), 0, moves+"Machine core-01 labelled: disk=ssd,region=us\n", "")
	w.want(label("148a18ff..."), 0, "KEY\tVALUE\tFROM\ndisk\tssd\toperator\nregion\tus\toperator\n", "")
	w.want(w.fleetctl("list-machines", "--no-legend", "--fields=metadata"), 0, "disk=ssd,region=us\n-\n-\n", "")
	w.want(label("core-01", "disk-", "region=eu"), 0, "No unit moves.\nMachine core-01 labelled: region=eu\n", "")
	w.want(label("core-01", "--reset"), 0, "No unit moves.\nMachine core-01 labelled: -\n", "")
}

func (w *world) labels(id cluster.MachineID) cluster.Labels {
	w.Helper()
	return must(w.store.Labels(w.Context(), id))(w.T)
}

// TestLabelsOfTheUnseen: what is said of a machine waits for it.
func TestLabelsOfTheUnseen(t *testing.T) {
	w := newWorld(t)
	const id = "ffffffffffffffffffffffffffffffff"
	w.want(w.fleetctl("label", id), 0, "KEY\tVALUE\tFROM\n", "")
	w.want(w.fleetctl("label", id, "region=eu"), 0, "No unit moves.\nMachine ffffffff... labelled: region=eu\n", "Machine "+id+" is not there: its labels are kept for its arrival\n")
	w.want(w.fleetctl("label", "ffff", "disk-", "--yes"), 0, "No unit moves.\nMachine ffffffff... labelled: region=eu\n", "is not there")
	w.want(w.fleetctl("label", "ffff"), 0, "KEY\tVALUE\tFROM\ndisk\t-\toperator\nregion\teu\toperator\n", "")
	w.want(w.fleetctl("list-machines", "--fields=machine", "--no-legend"), 0, "148a18ff...\n491586a6...\nc9de9451...\n", "")
	w.want(w.fleetctl("list-machines", "--all", "--no-legend"), 0,
		"148a18ff...\t10.10.1.1\t-\t\tfalse\n491586a6...\t10.10.1.2\t-\t\tfalse\nc9de9451...\t10.10.1.3\t-\t\tfalse\nffffffff...\t-\t\tregion=eu\ttrue\n", "")
	if got := w.fleetctl("list-machines", "--all", "-o", "json"); !strings.Contains(got.out, `"away": true`) {
		t.Errorf("%+v", got)
	}
}

func TestLabelBadInput(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"", 2, "fleetctl: a machine is expected\nsee 'fleetctl label --help'\n"},
		{"core-09 a=b", 3, "fleetctl: machine core-09: not found; 'fleetctl list-machines -o wide' shows who is there\n"},
		{"core-01 region", 2, "fleetctl: \"region\": expected KEY=VALUE, or KEY- to remove a label\n"},
		{"core-01 a=b a=c", 2, "fleetctl: label a is given twice\n"},
		{"core-01 a=b a-", 2, "fleetctl: label a is given twice\n"},
		{"core-01 a- a-", 2, "fleetctl: label a is given twice\n"},
		{"core-01 a=", 2, "fleetctl: label a has no value; remove it, or give it one\n"},
		{"core-01 =b", 2, "fleetctl: \"\" is no key of a label; expected at most 128 letters, digits and _.-\n"},
		{"core-01 -", 2, "fleetctl: \"\" is no key of a label; expected at most 128 letters, digits and _.-\n"},
		{"core-01 a/b=c", 2, "fleetctl: \"a/b\" is no key of a label; expected at most 128 letters, digits and _.-\n"},
		{"core-01 --yes", 2, "fleetctl: --yes and --dry-run are for changes: give KEY=VALUE, KEY- or --reset\n"},
		{"core-01 a=b -o wide", 2, "fleetctl: --output is \"wide\": expected table, json or yaml\n"},
		{"core-01 --sideways", 2, "unknown flag: --sideways"},
	} {
		got := w.fleetctl(append([]string{"label"}, strings.Fields(c.args)...)...)
		if got.code != c.code || !strings.HasPrefix(strings.TrimPrefix(got.err, "fleetctl: "), strings.TrimPrefix(c.says, "fleetctl: ")) || got.out != "" {
			t.Errorf("label %s: %+v, want exit %d and %q", c.args, got, c.code, c.says)
		}
	}
	if answer, err := w.store.Labels(t.Context(), worldIDs[0]); err == nil {
		t.Errorf("something was stored: %+v", answer)
	}
}

// TestLabelAsks on a terminal.
func TestLabelAsks(t *testing.T) {
	w := newWorld(t)
	files(t, "a.service")
	w.fleetctl("start", "a")
	for _, c := range []struct {
		typed string
		code  int
	}{{"n\n", cli.ExitError}, {"\n", cli.ExitError}, {"y\n", cli.ExitOK}} {
		keyboard, screen := terminal(t)
		if _, err := keyboard.WriteString(c.typed); err != nil {
			t.Fatal(err)
		}
		cmd := New()
		var out, errs bytes.Buffer
		cmd.SetIn(screen)
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		cmd.SetArgs([]string{"--endpoint", "unix://" + w.socket, "label", "core-01", "region=us"})
		err := cmd.ExecuteContext(t.Context())
		if code := cli.Code(err); code != c.code || !strings.Contains(errs.String(), "Label the machine? [y/N] ") || !strings.Contains(out.String(), "1 unit would move:\n") {
			t.Errorf("%q: exit %d, %v\n%s%s", c.typed, code, err, out.String(), errs.String())
		}
	}
	if set := w.labels(worldIDs[0]).Set; set["region"] != "us" {
		t.Errorf("labels %v", set)
	}
}

// terminal makes a pseudo-terminal, see pts(4).
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard = must(os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0))(t)
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n := must(unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN))(t)
	screen = must(os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0))(t)
	t.Cleanup(func() { keyboard.Close(); screen.Close() })
	return keyboard, screen
}

func TestLabelRows(t *testing.T) {
	got := labelRows(api.Machine{
		Metadata:   map[string]string{"zone": "a", "region": "us", "disk": "ssd"},
		Labels:     map[string]string{"region": "us", "cpu": "", "disk": "ssd"},
		Configured: map[string]string{"zone": "a", "region": "eu", "cpu": "fast"},
	})
	want := []labelRow{
		{"cpu", "", "operator, over fast of fleet.conf"}, {"disk", "ssd", "operator"},
		{"region", "us", "operator, over eu of fleet.conf"}, {"zone", "a", "fleet.conf"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestManyMoves(t *testing.T) {
	w := newWorld(t)
	var args []string
	for i := range mostMoves + 5 {
		args = append(args, fmt.Sprintf("w%02d.service", i))
	}
	files(t, args...)
	w.fleetctl(append([]string{"start"}, args...)...)
	got := w.fleetctl("label", "core-01", "region=us", "--dry-run")
	if !strings.HasSuffix(got.out, "and 5 more; --dry-run -o json lists them all\n") || strings.Count(got.out, "\n") != mostMoves+3 || got.code != 6 {
		t.Errorf("%+v", got)
	}
}
