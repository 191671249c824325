package storetest

import (
	"errors"
	"fmt"
	"reflect"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

func testLeader(s *suite) {
	ctx := s.Context()
	if _, err := s.store.Leader(ctx); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("no leader yet: %v, want ErrNotFound", err)
	}
	first := s.takeLead(machineID(1))
	if got, err := s.store.Leader(ctx); err != nil || got != first {
		s.Errorf("got %+v, %v, want %+v", got, err, first)
	}
	rival := cluster.Leader{Machine: machineID(2), Run: "b"}
	if _, err := s.store.TakeLead(ctx, rival); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("take the lead as if there were no leader: %v, want ErrConflict", err)
	}
	rival.Revision = first.Revision
	second, err := s.store.TakeLead(ctx, rival)
	if err != nil || second.Revision <= first.Revision || second.Machine != machineID(2) {
		s.Errorf("take over: %+v, %v", second, err)
	}
	if err := s.store.Resign(ctx, first); !errors.Is(err, cluster.ErrDeposed) {
		s.Errorf("resign a term that has ended: %v, want ErrDeposed", err)
	}
	if err := s.store.Resign(ctx, second); err != nil {
		s.Errorf("resign: %v", err)
	}
	if err := s.store.Resign(ctx, cluster.Leader{}); !errors.Is(err, cluster.ErrDeposed) {
		s.Errorf("resign where nobody leads: %v, want ErrDeposed", err)
	}
	if _, err := s.store.Leader(ctx); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("after the leader resigned: %v, want ErrNotFound", err)
	}
}

func testDeposed(s *suite) {
	ctx := s.Context()
	m, unit := s.putMachine(1), s.putUnit(aUnit("web.service", "a"), "a")
	first := s.takeLead(m.ID)
	second, err := s.store.TakeLead(ctx, first) // even by the same run
	if err != nil {
		s.Fatal(err)
	}
	events, err := s.store.Commit(ctx, first, []schedule.Change{placed(unit, m)})
	if !errors.Is(err, cluster.ErrDeposed) || len(events) > 0 {
		s.Errorf("a deposed leader's commit: %v, %v, want ErrDeposed", events, err)
	}
	if err := s.store.Resign(ctx, second); err != nil {
		s.Fatal(err)
	}
	for _, term := range []cluster.Leader{second, {}} {
		if _, err := s.store.Commit(ctx, term, []schedule.Change{placed(unit, m)}); !errors.Is(err, cluster.ErrDeposed) {
			s.Errorf("a commit after the leader resigned: %v, want ErrDeposed", err)
		}
	}
	if got := s.all(cluster.Assigned(m.ID)); len(got.Events) > 0 {
		s.Errorf("a deposed leader placed %+v", got.Events)
	}
}

func testGuards(s *suite) {
	ctx := s.Context()
	m, lost := s.putMachine(1), s.putMachine(2)
	term := s.takeLead(m.ID)
	units := make([]cluster.Unit, 7)
	for n := range units {
		units[n] = s.putUnit(aUnit(unitName(n), "a"), "a")
	}
	refuse := schedule.Refuse{Unplaced: cluster.Unplaced{Unit: "never.service"}}
	_, refused, _ := identify(s.commit(term, refuse)[0])
	s.commit(term, refuse)
	labelled := placed(units[6], m)
	labelled.LabelsRevision = refused // m has no labels
	changes := []schedule.Change{
		placed(units[0], m),    // stands
		placed(units[1], m),    // its unit is written again
		placed(units[2], lost), // its machine goes
		labelled,
		placed(units[3], m), // stands
		placed(units[4], m), // its unit is deleted
		schedule.Evict{Unit: units[5].Name, From: m.ID, UnitRevision: 0}, // its unit is there
		schedule.Refuse{Unplaced: cluster.Unplaced{Unit: "new.service"}, UnitRevision: 7},
		schedule.Absolve{Unit: "never.service", Revision: refused}, // it was refused again
		schedule.Absolve{Unit: "other.service", Revision: refused}, // it is not refused
	}
	s.putUnit(units[1], "a")
	if err := s.store.DeleteUnit(ctx, units[4].Name, units[4].Revision); err != nil {
		s.Fatal(err)
	}
	if err := s.store.RevokeLease(ctx, lost.Lease); err != nil {
		s.Fatal(err)
	}
	events, err := s.store.Commit(ctx, term, changes)
	if !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("commit with guards that do not hold: %v, want ErrConflict", err)
	}
	all := s.all(cluster.Assigned(m.ID))
	if !reflect.DeepEqual(events, all.Events) || len(events) != 2 {
		s.Errorf("commit tells %+v, the store holds %+v, want the two that stand", events, all.Events)
	}
}

func testDecisions(s *suite) {
	m, other := s.putMachine(1), s.putMachine(2)
	term := s.takeLead(m.ID)
	unit := s.putUnit(aUnit("web.service", "a"), "a")
	unplaced := cluster.Unplaced{Unit: unit.Name, Generation: 1, Reason: "no machine has <space> & time", At: unit.At}
	f, p := s.follow(cluster.Everything), &picture{}
	if err := p.learn(f.next()); err != nil {
		s.Fatal(err)
	}
	onM, onOther, none := "placement "+string(m.ID)+" web.service", "placement "+string(other.ID)+" web.service", "unplaced web.service"
	move := placed(unit, other)
	move.From = m.ID
	back := placed(unit, m)
	back.WasUnplaced = true
	renew := placed(unit, m)
	renew.From = m.ID
	renew.Placement.Desired = cluster.Loaded
	steps := []struct {
		change schedule.Change
		events int
		want   []string // which of the three facts are there afterwards
	}{
		{schedule.Refuse{Unplaced: unplaced, UnitRevision: unit.Revision}, 1, []string{none}},
		{back, 2, []string{onM}},
		{renew, 1, []string{onM}},
		{move, 2, []string{onOther}},
		{schedule.Refuse{Unplaced: unplaced, UnitRevision: unit.Revision, From: other.ID}, 2, []string{none}},
		{schedule.Absolve{Unit: unit.Name}, 1, nil}, // of the revision that is there by then
		{placed(unit, m), 1, []string{onM}},
		{schedule.Evict{Unit: unit.Name, From: m.ID, UnitRevision: unit.Revision}, 1, nil},
		{schedule.Evict{Unit: "gone.service", From: m.ID}, 1, nil},
	}
	for _, step := range steps {
		if absolve, ok := step.change.(schedule.Absolve); ok {
			_, absolve.Revision, _ = identify(p.facts[none])
			step.change = absolve
		}
		told := s.commit(term, step.change)
		if len(told) != step.events {
			s.Errorf("%+v tells %+v, want %d events", step.change, told, step.events)
		}
		if _, evicted := step.change.(schedule.Evict); evicted && p.facts[onM] == nil {
			continue // nothing was there, so no follower is told
		}
		batch := f.next()
		if !sameFacts(batch.Events, told) {
			s.Errorf("%+v tells %+v, its follower is told %+v", step.change, told, batch.Events)
		}
		if err := p.learn(batch); err != nil {
			s.Error(err)
		}
		for _, fact := range []string{onM, onOther, none} {
			want := false
			for _, name := range step.want {
				want = want || name == fact
			}
			if got := p.facts[fact] != nil; got != want {
				s.Errorf("after %+v: %s is there: %v, want %v", step.change, fact, got, want)
			}
		}
	}
}

// sameFacts compares events without regard to their order.
func sameFacts(a, b []cluster.Event) bool {
	set := func(events []cluster.Event) map[string]cluster.Event {
		facts := map[string]cluster.Event{}
		for _, event := range events {
			name, _, _ := identify(event)
			facts[name] = event
		}
		return facts
	}
	return len(a) == len(b) && reflect.DeepEqual(set(a), set(b))
}

func testThousand(s *suite) {
	m := s.putMachine(1)
	term := s.takeLead(m.ID)
	f, p := s.follow(cluster.Assigned(m.ID)), &picture{}
	if err := p.learn(f.next()); err != nil {
		s.Fatal(err)
	}
	const count = 1000
	changes := make([]schedule.Change, count)
	for n := range changes {
		changes[n] = placed(s.putUnit(aUnit(unitName(n), "a"), "a"), m)
	}
	events := s.commit(term, changes...)
	var last int64
	for _, event := range events {
		_, revision, _ := identify(event)
		last = max(last, revision)
	}
	f.until(last, p)
	if len(p.facts) != count || len(events) != count {
		s.Fatalf("a follower knows %d placements and Commit tells %d, want %d", len(p.facts), len(events), count)
	}
	for _, event := range events {
		name, _, _ := identify(event)
		if !reflect.DeepEqual(p.facts[name], event) {
			s.Fatalf("Commit tells %+v, the follower %+v", event, p.facts[name])
		}
	}
}

func testTwice(s *suite) {
	m := s.putMachine(1)
	term := s.takeLead(m.ID)
	unit := s.putUnit(aUnit("web.service", "a"), "a")
	again := placed(unit, m)
	again.Placement.Reason = "changed my mind"
	events, err := s.store.Commit(s.Context(), term, []schedule.Change{placed(unit, m), again})
	if !errors.Is(err, cluster.ErrConflict) || len(events) != 1 {
		s.Errorf("a placement decided twice: %v, %v, want one event and ErrConflict", events, err)
	}
	if got := s.all(cluster.Assigned(m.ID)); fmt.Sprint(got.Events) != fmt.Sprint(events) {
		s.Errorf("the store holds %v, Commit told %v", got.Events, events)
	}
	if events, err := s.store.Commit(s.Context(), term, nil); err != nil || len(events) > 0 {
		s.Errorf("nothing to commit: %v, %v", events, err)
	}
}

// testGlobal places one unit on many machines at once, one of which goes.
func testGlobal(s *suite) {
	const count = 150
	unit := s.putUnit(aUnit("everywhere.service", "a"), "a")
	var changes []schedule.Change
	var last cluster.Machine
	for n := range count {
		last = s.putMachine(n)
		changes = append(changes, placed(unit, last))
	}
	if err := s.store.RevokeLease(s.Context(), last.Lease); err != nil {
		s.Fatal(err)
	}
	events, err := s.store.Commit(s.Context(), s.takeLead(machineID(0)), changes)
	if !errors.Is(err, cluster.ErrConflict) || len(events) != count-1 {
		s.Errorf("%d of %d written, %v, want all but one and ErrConflict", len(events), count, err)
	}
}
