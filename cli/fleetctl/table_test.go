package fleetctl

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/api"
	"argosy/core/cluster"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testdata is found also by a test that has left for another folder.
var testdata, _ = filepath.Abs("testdata")

var (
	someMachines = []api.Machine{
		{ID: worldIDs[0], Name: "core-01", IP: "10.10.1.1", Member: true, Metadata: map[string]string{"region": "eu", "disk": "ssd"}, Versions: map[string]string{"argosy": "0.2"}},
		{ID: worldIDs[1], Name: "core-02", IP: "10.10.1.2"},
		{ID: worldIDs[2]},
	}
	someStates = []api.State{
		{Unit: "hello.service", Machine: worldIDs[0], IP: "10.10.1.1", Hash: cluster.HashOf("a"), Load: "loaded", Active: "active", Sub: "running", Result: "success"},
		{Unit: "mongo@1.service", Machine: worldIDs[1], IP: "10.10.1.2", Hash: cluster.HashOf("b"), Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code", Problem: "disk is full"},
		{Unit: "a-name-that-is-longer-than-most.service", Machine: worldIDs[2]},
		{Unit: "quiet.service", Machine: worldIDs[2], IP: "10.10.1.3", Active: "unknown", Sub: "out-of-touch", Phase: cluster.Settled, OutOfTouch: true},
	}
	someUnits = []api.Unit{
		{Name: "agent.service", Hash: cluster.HashOf("g"), Desired: cluster.Launched, Global: true, Description: "On every machine", Outcome: api.OutcomeActive},
		{Name: "hello.service", Hash: cluster.HashOf("a"), Desired: cluster.Launched, Current: cluster.Launched, Outcome: api.OutcomeActive,
			On: []api.Presence{{Machine: worldIDs[0], IP: "10.10.1.1", Placed: &cluster.Placement{}}}},
		{Name: "mongo@.service", Hash: cluster.HashOf("b"), Desired: cluster.Inactive, Current: cluster.Inactive, Outcome: api.OutcomeInactive},
		{Name: "mongo@4.service", Hash: cluster.HashOf("b"), Desired: cluster.Launched, Current: cluster.Inactive, Outcome: api.OutcomeUnplaced,
			Reason: "conflicts with mongo@1.service, mongo@2.service and mongo@3.service"},
		{Name: "moving.service", Hash: cluster.HashOf("c"), Desired: cluster.Loaded, Current: cluster.Loaded, Outcome: api.OutcomeWorking,
			On: []api.Presence{{Machine: worldIDs[1], State: &cluster.UnitState{}}, {Machine: worldIDs[2], Placed: &cluster.Placement{}}}},
	}
)

// TestTables prints each listing in each form. Tabs are part of what scripts rely on.
func TestTables(t *testing.T) {
	fresh := api.Freshness{Revision: 7, AsOf: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	verbs := map[string]func(*bytes.Buffer, listing) error{
		"list-machines": func(out *bytes.Buffer, l listing) error {
			return show(out, l, machineColumns, someMachines, api.Machines{Freshness: fresh, Machines: someMachines})
		},
		"list-units": func(out *bytes.Buffer, l listing) error {
			return show(out, l, unitColumns, someStates, api.States{Freshness: fresh, States: someStates})
		},
		"list-unit-files": func(out *bytes.Buffer, l listing) error {
			return show(out, l, unitFileColumns, someUnits, api.Units{Freshness: fresh, Units: someUnits})
		},
	}
	all := map[string]string{
		"list-machines":   "machine,ip,metadata,hostname,member,version,away",
		"list-units":      "unit,machine,load,active,sub,hash,result,problem",
		"list-unit-files": "unit,hash,dstate,state,target,tmachine,global,desc,outcome,reason",
	}
	for verb, print := range verbs {
		for form, args := range map[string][]string{
			"table": nil, "full": {"--full"}, "bare": {"--no-legend"}, "fields": {"--fields", all[verb]},
			"wide": {"-o", "wide"}, "json": {"-o", "json"}, "yaml": {"--output=yaml"},
		} {
			golden(t, filepath.Join("testdata", verb+"."+form), func(out *bytes.Buffer) error {
				return print(out, parsed(t, verb, args))
			})
		}
	}
}

// parsed is a verb's listing after its flags have been read.
func parsed(t *testing.T, verb string, args []string) (l listing) {
	t.Helper()
	fields := map[string][2]string{
		"list-machines":   {machineFields, machineFieldsWide},
		"list-units":      {unitFields, unitFieldsWide},
		"list-unit-files": {unitFileFields, unitFileFieldsWide},
	}[verb]
	cmd := &cobra.Command{}
	l.flags(cmd, fields[0], fields[1], nil)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return l
}

func golden(t *testing.T, path string, print func(*bytes.Buffer) error) {
	t.Helper()
	var out bytes.Buffer
	if err := print(&out); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, out.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if out.String() != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, out.String(), want)
	}
}

// golden compares what was said with a file of testdata.
func (w *world) golden(name, said string) {
	w.Helper()
	golden(w.T, filepath.Join(testdata, name), func(out *bytes.Buffer) error {
		_, err := out.WriteString(said)
		return err
	})
}

func TestStaleAnswersSaySo(t *testing.T) {
	var out bytes.Buffer
	s := &session{err: &out}
	s.note(api.Freshness{AgeSeconds: 4})
	if out.Len() > 0 {
		t.Errorf("a fresh answer is remarked on: %q", out.String())
	}
	s.note(api.Freshness{AgeSeconds: 12.2})
	s.note(api.Freshness{AgeSeconds: 13})
	if got := out.String(); got != "(as of 12s ago: the store cannot be reached)\n" {
		t.Errorf("%q", got)
	}
}

func TestEnvironment(t *testing.T) {
	w := newWorld(t)
	t.Setenv("FLEETCTL_ENDPOINT", "unix://"+w.socket)
	if got := runFleetctl(t.Context(), "list-machines", "--no-legend"); got.code != 0 || got.out == "" {
		t.Errorf("endpoint of the environment: %+v", got)
	}
	t.Setenv("FLEETCTL_ENDPOINT", "unix:///nowhere")
	if got := w.fleetctl("list-machines"); got.code != 0 {
		t.Errorf("the command line does not win: %+v", got)
	}
	t.Setenv("FLEETCTL_FIELDS", "nope") // a flag of one command alone is not read
	t.Setenv("FLEETCTL_DEBUG", "")
	if got := w.fleetctl("list-machines", "--no-legend"); got.code != 0 || got.err != "" {
		t.Errorf("%+v", got)
	}
	t.Setenv("FLEETCTL_DEBUG", "perhaps")
	w.want(w.fleetctl("list-machines"), 2, "", `FLEETCTL_DEBUG="perhaps"`)
}

func TestAbbreviations(t *testing.T) {
	w := newWorld(t)
	for _, word := range []string{"list-m", "list-machines"} {
		if got := w.fleetctl(word, "--l", "--fields=machine", "--no-legend"); got.out != fmt.Sprintf("%s\n%s\n%s\n", worldIDs[0], worldIDs[1], worldIDs[2]) {
			t.Errorf("%s: %+v", word, got)
		}
	}
}
