package storetest

import (
	"errors"
	"reflect"
	"strings"

	"argosy/core/cluster"
)

func testUnits(s *suite) {
	ctx := s.Context()
	first := s.putUnit(aUnit("web.service", "a"), "a")
	if first.Revision == 0 {
		s.Error("a unit written has no revision")
	}
	if _, err := s.store.PutUnit(ctx, aUnit("web.service", "b"), "b"); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("a new unit over an old one: %v, want ErrConflict", err)
	}
	if _, err := s.store.Content(ctx, cluster.HashOf("b")); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("the text of a refused unit: %v, want ErrNotFound", err)
	}
	second := first
	second.Desired, second.Generation = cluster.Inactive, 2
	second = s.putUnit(second, "a")
	if second.Revision <= first.Revision {
		s.Errorf("revision went from %d to %d", first.Revision, second.Revision)
	}
	if _, err := s.store.PutUnit(ctx, first, "a"); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("a unit written from an old revision: %v, want ErrConflict", err)
	}
	if got := s.all(cluster.Everything); !reflect.DeepEqual(got.Events[len(got.Events)-1], cluster.UnitChanged{Unit: second}) {
		s.Errorf("got %+v, want %+v last", got.Events, second)
	}
	if got, asOf, err := s.store.Unit(ctx, "web.service"); err != nil || !reflect.DeepEqual(got, second) || asOf < second.Revision {
		s.Errorf("read %+v as of %d, %v; want %+v", got, asOf, err, second)
	}
	if err := s.store.DeleteUnit(ctx, "web.service", first.Revision); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("delete at an old revision: %v, want ErrConflict", err)
	}
	if err := s.store.DeleteUnit(ctx, "web.service", second.Revision); err != nil {
		s.Errorf("delete: %v", err)
	}
	if got, asOf, err := s.store.Unit(ctx, "web.service"); !errors.Is(err, cluster.ErrNotFound) || asOf <= second.Revision {
		s.Errorf("read what is gone: %+v as of %d, %v; want ErrNotFound", got, asOf, err)
	}
	for _, revision := range []int64{0, second.Revision} {
		if err := s.store.DeleteUnit(ctx, "web.service", revision); !errors.Is(err, cluster.ErrNotFound) {
			s.Errorf("delete what is gone, at revision %d: %v, want ErrNotFound", revision, err)
		}
	}
	if _, err := s.store.PutUnit(ctx, second, "a"); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("renew a unit that is gone: %v, want ErrConflict", err)
	}
}

func testContents(s *suite) {
	ctx := s.Context()
	unit := aUnit("web@1.service", "text")
	s.putUnit(unit, "text")
	unit.Name = "web@2.service"
	s.putUnit(unit, "text")

	unit.Name = "web@3.service"
	_, err := s.store.PutUnit(ctx, unit, "another text")
	if err == nil || errors.Is(err, cluster.ErrConflict) {
		s.Errorf("another text of the same hash: %v, want an error that is no ErrConflict", err)
	}
	if text, err := s.store.Content(ctx, unit.Hash); err != nil || text != "text" {
		s.Errorf("content: %q, %v", text, err)
	}
	p := &picture{}
	if err := p.learn(s.all(cluster.Everything)); err != nil {
		s.Error(err)
	}
	if len(p.facts) != 3 {
		s.Errorf("two units that share a text make %d facts, want 3: %v", len(p.facts), p.facts)
	}
	if _, err := s.store.Content(ctx, "abcdef"); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("content that is not there: %v, want ErrNotFound", err)
	}
}

func testMalformed(s *suite) {
	ctx := s.Context()
	for _, name := range []cluster.UnitName{
		"", ".", "web", ".service", "@.service", "a/b.service", "../x.service", "wéb.service", "web .service",
		"web\x00.service", "web.txt", cluster.UnitName(strings.Repeat("a", 248) + ".service"),
	} {
		if _, err := s.store.PutUnit(ctx, aUnit(name, "a"), "a"); err == nil {
			s.Errorf("a unit named %q was stored", name)
		}
	}
	wrong := aUnit("web.service", "a")
	wrong.Desired = "sometimes"
	if _, err := s.store.PutUnit(ctx, wrong, "a"); err == nil {
		s.Error("a unit with a desired state that is none was stored")
	}
	for _, hash := range []cluster.Hash{"", "a/b", "XYZ"} {
		wrong = aUnit("web.service", "a")
		wrong.Hash = hash
		if _, err := s.store.PutUnit(ctx, wrong, "a"); err == nil {
			s.Errorf("a unit with the hash %q was stored", hash)
		}
	}
	m := s.putMachine(1)
	for _, id := range []cluster.MachineID{"", "core-01", machineID(1) + "0", "../x", cluster.MachineID(strings.Repeat("A", 32))} {
		if _, err := s.store.PutMachine(ctx, cluster.Machine{ID: id, Lease: m.Lease}); err == nil {
			s.Errorf("a machine with the id %q was stored", id)
		}
	}
	if err := s.store.PutStates(ctx, m.Lease, m.ID, []cluster.UnitState{{Unit: "a/b"}}, nil); err == nil {
		s.Error("a state of a unit with a malformed name was stored")
	}
	if got := s.all(cluster.Everything); len(got.Events) != 1 {
		s.Errorf("after only refusals besides a machine the store holds %v", got.Events)
	}
}

func testOdd(s *suite) {
	long := strings.Repeat("a", cluster.MaxUnitNameBytes-len(".service")) + ".service"
	texts := map[cluster.UnitName]string{
		cluster.UnitName(long): "",
		"web@.service":         "[Unit]\nDescription=Grüße, 世界 🚢\n",
		"a:b-c_d.e@f.socket":   "no newline",
		`dev-\x2dfoo.mount`:    "\x00\xff not UTF-8",
	}
	for name, text := range texts {
		s.putUnit(aUnit(name, text), text)
	}
	p := &picture{}
	if err := p.learn(s.all(cluster.Everything)); err != nil {
		s.Error(err)
	}
	for name, text := range texts {
		if p.facts["unit "+string(name)] == nil {
			s.Errorf("unit %q did not come back", name)
		}
		if got, err := s.store.Content(s.Context(), cluster.HashOf(text)); err != nil || got != text {
			s.Errorf("text of %q: got %q, %v", name, got, err)
		}
		if got := p.facts["content "+string(cluster.HashOf(text))]; !reflect.DeepEqual(got, cluster.ContentChanged{Hash: cluster.HashOf(text), Text: text}) {
			s.Errorf("text of %q as a fact: got %#v", name, got)
		}
	}
}
