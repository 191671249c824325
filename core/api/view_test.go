package api

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// TestViewAnswersAsAFreshOne plays any events into a view that answers all the
// while, and compares it with one that learns the facts left at the end.
func TestViewAnswersAsAFreshOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := map[string]cluster.Event{}
		v := NewView()
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			if rapid.Bool().Draw(t, "ask") {
				v.Units(nil)
			}
			key, changed, gone := anEvent(t)
			if rapid.Bool().Draw(t, "changed") {
				facts[key] = changed
				v.Learn(changed)
			} else {
				delete(facts, key)
				v.Learn(gone)
			}
		}
		fresh := NewView()
		for _, fact := range facts {
			fresh.Learn(fact)
		}
		same(t, "machines", v.Machines(true), fresh.Machines(true))
		same(t, "units", v.Units(nil), fresh.Units(nil))
		same(t, "names", v.UnitNames(), fresh.UnitNames())
		same(t, "states", v.States(""), fresh.States(""))
		same(t, "states of one", v.States(one), fresh.States(one))
		same(t, "records", len(v.units), len(fresh.units))
		if !slices.IsSortedFunc(v.States(""), func(a, b State) int {
			return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Machine, b.Machine))
		}) {
			t.Errorf("states are out of order: %v", v.States(""))
		}
	})
}

func same(t *rapid.T, what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// anEvent draws a fact, its key, and the event of its end.
func anEvent(t *rapid.T) (key string, changed, gone cluster.Event) {
	unit := cluster.UnitName(rapid.SampledFrom([]string{"a.service", "b.service", "c@1.service"}).Draw(t, "unit"))
	machine := rapid.SampledFrom([]cluster.MachineID{one, two}).Draw(t, "machine")
	generation := rapid.Int64Range(1, 2).Draw(t, "generation")
	texts := []string{"[X-Fleet]\nGlobal=true\n", "[Unit]\nDescription=x\n"}
	text := rapid.SampledFrom(texts).Draw(t, "text")
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	key = fmt.Sprint(kind)
	switch kind {
	case 0:
		desired := rapid.SampledFrom([]cluster.Desired{cluster.Inactive, cluster.Loaded, cluster.Launched}).Draw(t, "desired")
		return key + string(unit), cluster.UnitChanged{Unit: cluster.Unit{Name: unit, Desired: desired, Generation: generation, Hash: cluster.HashOf(text)}},
			cluster.UnitGone{Name: unit}
	case 1:
		return key + string(machine), cluster.MachineChanged{Machine: cluster.Machine{ID: machine, Name: "core", Metadata: map[string]string{"region": "us", "disk": "ssd"}}}, cluster.MachineGone{ID: machine}
	case 2:
		return key + string(machine+"/") + string(unit), cluster.PlacementChanged{Placement: cluster.Placement{Machine: machine, Unit: unit, Generation: generation}},
			cluster.PlacementGone{Machine: machine, Unit: unit}
	case 3:
		return key + string(machine+"/") + string(unit), cluster.StateChanged{State: cluster.UnitState{Machine: machine, Unit: unit, Generation: generation, Active: "active", Phase: cluster.Settled}},
			cluster.StateGone{Machine: machine, Unit: unit}
	case 4:
		return key + string(unit), cluster.UnplacedChanged{Unplaced: cluster.Unplaced{Unit: unit, Generation: generation, Reason: "full"}}, cluster.UnplacedGone{Unit: unit}
	case 5:
		return key + text, cluster.ContentChanged{Hash: cluster.HashOf(text), Text: text}, cluster.ContentGone{Hash: cluster.HashOf(text)}
	case 6:
		set := map[string]string{"region": rapid.SampledFrom([]string{"", "eu"}).Draw(t, "region")}
		return key + string(machine), cluster.LabelsChanged{Labels: cluster.Labels{Machine: machine, Set: set}}, cluster.LabelsGone{Machine: machine}
	default:
		return key, cluster.LeaderChanged{Leader: cluster.Leader{Machine: machine}}, cluster.LeaderGone{}
	}
}

func TestAnswersKeepStillWhenTheViewGoesOn(t *testing.T) {
	v := NewView()
	v.Learn(
		cluster.UnitChanged{Unit: cluster.Unit{Name: "a.service", Desired: cluster.Launched, Generation: 1}},
		cluster.StateChanged{State: cluster.UnitState{Machine: one, Unit: "a.service", Active: "active"}},
	)
	answer := v.Unit("a.service")
	v.Learn(cluster.StateChanged{State: cluster.UnitState{Machine: one, Unit: "a.service", Active: "failed"}})
	if got := answer.On[0].State.Active; got != "active" {
		t.Errorf("an answer given earlier now says %q", got)
	}
}

func TestGlobalThatFitsNowhere(t *testing.T) {
	text := "[X-Fleet]\nGlobal=true\nMachineMetadata=disk=ssd\n"
	v := NewView()
	v.Learn(
		cluster.ContentChanged{Hash: cluster.HashOf(text), Text: text},
		cluster.UnitChanged{Unit: cluster.Unit{Name: "a.service", Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1}},
	)
	if got := v.Unit("a.service"); got.Outcome != OutcomeWorking || !got.Global || got.Current != "" {
		t.Errorf("%+v, want the leader to be waited for", got)
	}
	v.Learn(cluster.UnplacedChanged{Unplaced: cluster.Unplaced{Unit: "a.service", Generation: 1, Reason: "lacks disk=ssd"}})
	if got := v.Unit("a.service"); got.Outcome != OutcomeUnplaced || got.Reason != "lacks disk=ssd" {
		t.Errorf("%+v, want it unplaced, and why in the leader's words", got)
	}
}

func TestRead(t *testing.T) {
	good, err := Read("a.service", unitfile.Bundle{Text: "[Unit]\nDescription=one\nDescription=two\n[X-Fleet]\nGlobal=yes\nGlobl=true\n"})
	if err != nil || !good.Global || good.Description != "two" || len(good.Warnings) != 1 {
		t.Errorf("%+v, %v", good, err)
	}
	for _, text := range []string{"[Unit\n", "x=1\n", "[X-Fleet]\nMachineID=%\n", "[X-Fleet]\nGlobal=true\nMachineOf=b.service\n", "\xff"} {
		_, err := Read("a.service", unitfile.Bundle{Text: text})
		var e *Error
		if !errors.As(err, &e) || e.Code != badRequest {
			t.Errorf("%q: %v, want it refused", text, err)
		}
	}
}

func TestErrorsKeepTheirMeaning(t *testing.T) {
	for _, kind := range []error{cluster.ErrNotFound, cluster.ErrConflict, cluster.ErrUnavailable} {
		if sent := AsError(fmt.Errorf("look: %w", kind)); !errors.Is(sent, kind) {
			t.Errorf("%v became %+v", kind, sent)
		}
	}
	if sent := AsError(errors.New("disk on fire")); sent.Code != internal || errors.Is(sent, cluster.ErrNotFound) {
		t.Errorf("%+v", sent)
	}
	hinted := Invalid("no", "yes")
	if sent := AsError(fmt.Errorf("wrapped: %w", hinted)); sent != hinted {
		t.Errorf("%+v, want the error inside as it is", sent)
	}
}

func TestNear(t *testing.T) {
	names := []cluster.UnitName{"hello.service", "hello@.service", "hello@1.service", "mongo.service", "web.socket"}
	for asked, want := range map[cluster.UnitName][]cluster.UnitName{
		"helo.service":  {"hello.service", "hello@.service", "hello@1.service"},
		"mongod.servic": {"mongo.service"},
		"qqqqqq.mount":  nil,
		"web.service":   nil,
	} {
		if got := Near(asked, names); !slices.Equal(got, want) && (len(want) > 0 || len(got) > 3) {
			t.Errorf("%s: %v, want %v", asked, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 6, -1).Draw(t, "a"), rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 6, -1).Draw(t, "b")
		most := rapid.IntRange(0, 6).Draw(t, "most")
		if got, want := distance(a, b, most), min(naiveDistance(a, b), most+1); got != want {
			t.Errorf("distance(%q, %q, %d) is %d, want %d", a, b, most, got, want)
		}
	})
}

func naiveDistance(a, b string) int {
	switch {
	case a == "" || b == "":
		return len(a) + len(b)
	case a[0] == b[0]:
		return naiveDistance(a[1:], b[1:])
	}
	return 1 + min(naiveDistance(a[1:], b), naiveDistance(a, b[1:]), naiveDistance(a[1:], b[1:]))
}

func TestJournalOptions(t *testing.T) {
	for _, good := range []JournalOptions{{}, {Lines: MostLines, Output: "json", Follow: true}} {
		if err := good.Valid(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []JournalOptions{{Lines: -1}, {Lines: MostLines + 1}, {Output: "xml"}, {Output: "--all"}} {
		if bad.Valid() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func BenchmarkViewOfAHundredThousandUnits(b *testing.B) {
	v := NewView()
	for i := range 100_000 {
		name := cluster.UnitName(fmt.Sprintf("unit@%d.service", i))
		v.Learn(
			cluster.UnitChanged{Unit: cluster.Unit{Name: name, Desired: cluster.Launched, Generation: 1}},
			cluster.PlacementChanged{Placement: cluster.Placement{Machine: one, Unit: name, Generation: 1}},
			cluster.StateChanged{State: cluster.UnitState{Machine: one, Unit: name, Generation: 1, Active: "active", Phase: cluster.Settled}},
		)
	}
	b.Run("units", func(b *testing.B) {
		for b.Loop() {
			v.Units(nil)
		}
	})
	b.Run("near", func(b *testing.B) {
		for b.Loop() {
			Near("unti@7.service", v.UnitNames())
		}
	})
}
