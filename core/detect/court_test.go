package detect_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/detect"
)

// hall is a court and the facts that it is told of, as a store would keep them.
type hall struct {
	*detect.Court
	revision int64
	facts    map[string]cluster.Event
	answers  map[cluster.MachineID]bool // as Absences tells
}

func newHall() *hall {
	return &hall{Court: detect.NewCourt(), facts: map[string]cluster.Event{}, answers: map[cluster.MachineID]bool{}}
}

// tell has one transaction happen.
func (h *hall) tell(events ...cluster.Event) {
	h.revision++
	for i, event := range events {
		events[i] = cluster.Stamped(event, h.revision)
		h.keep(events[i])
	}
	h.Learn(cluster.Batch{Revision: h.revision, Events: events})
	h.listen()
}

func (h *hall) keep(event cluster.Event) {
	switch e := event.(type) {
	case cluster.MachineChanged:
		h.facts["machine "+string(e.Machine.ID)] = e
	case cluster.MachineGone:
		delete(h.facts, "machine "+string(e.ID))
	case cluster.ProbesChanged:
		h.facts["probes "+string(e.Probes.Machine)] = e
	case cluster.ProbesGone:
		delete(h.facts, "probes "+string(e.Machine))
	case cluster.SuspicionChanged:
		h.facts[fmt.Sprint("word ", e.Suspicion.Target, e.Suspicion.Prober)] = e
	case cluster.SuspicionGone:
		delete(h.facts, fmt.Sprint("word ", e.Target, e.Prober))
	case cluster.DepartedChanged:
		h.facts["departed "+string(e.Departed.Machine)] = e
	case cluster.DepartedGone:
		delete(h.facts, "departed "+string(e.Machine))
	}
}

func (h *hall) listen() {
	for _, absence := range h.Absences() {
		h.answers[absence.Machine] = absence.Answers
	}
	maps.DeleteFunc(h.answers, func(_ cluster.MachineID, answers bool) bool { return !answers })
}

// assign writes what is due until nothing is.
func (h *hall) assign() (written int) {
	for {
		due := h.Due(2)
		if len(due) == 0 {
			return written
		}
		written += len(due)
		var events []cluster.Event
		for _, p := range due {
			if len(p.Targets) == 0 {
				events = append(events, cluster.ProbesGone{Machine: p.Machine})
			} else {
				events = append(events, cluster.ProbesChanged{Probes: p})
			}
		}
		h.tell(events...)
	}
}

func machine(n int) cluster.MachineChanged {
	return cluster.MachineChanged{Machine: cluster.Machine{ID: id(n), Address: address(n), Probes: true, Member: n <= 3}}
}

func silent(target, prober int, reaches ...int) cluster.SuspicionChanged {
	word := cluster.Suspicion{Target: id(target), Prober: id(prober)}
	for _, n := range reaches {
		word.Reaches = append(word.Reaches, id(n))
	}
	return cluster.SuspicionChanged{Suspicion: word}
}

func never(target, prober int, reaches ...int) cluster.SuspicionChanged {
	word := silent(target, prober, reaches...)
	word.Suspicion.Never = true
	return word
}

func gone(n int) cluster.MachineGone { return cluster.MachineGone{ID: id(n)} }

func takenBack(target, prober int) cluster.SuspicionGone {
	return cluster.SuspicionGone{Target: id(target), Prober: id(prober)}
}

// TestVerdicts is on machine 1 of so many, all of which probe one another.
func TestVerdicts(t *testing.T) {
	left := []cluster.Event{gone(1), cluster.DepartedChanged{Departed: cluster.Departed{Machine: id(1)}}}
	heir := machine(9)
	heir.Machine.Address = address(1)
	for what, c := range map[string]struct {
		machines      int
		happens       []any // an event, or several in one transaction
		lost, answers bool
	}{
		"one prober is silent about it":               {4, []any{silent(1, 2, 3, 4)}, false, false},
		"two that reach each other":                   {4, []any{silent(1, 2, 3), silent(1, 4), silent(1, 3, 2)}, true, false},
		"two that do not reach each other":            {4, []any{silent(1, 2, 4), silent(1, 3, 4)}, false, false},
		"one reaches the other":                       {4, []any{silent(1, 2, 3), silent(1, 3)}, false, false},
		"it has never answered":                       {4, []any{never(1, 2, 3), never(1, 3, 2)}, false, false},
		"one takes its word back":                     {4, []any{silent(1, 2, 3), silent(1, 3, 2), takenBack(1, 3)}, false, false},
		"it has spoken since":                         {4, []any{silent(1, 2, 3), silent(1, 3, 2), machine(1)}, false, false},
		"silent again after it has spoken":            {4, []any{silent(1, 2, 3), machine(1), silent(1, 3, 2), silent(1, 2, 3)}, true, false},
		"one prober's record is gone":                 {4, []any{gone(3), silent(1, 2, 3), silent(1, 3, 2)}, false, false},
		"one that does not probe it":                  {4, []any{silent(1, 2, 7), silent(1, 7, 2)}, false, false},
		"two of two":                                  {3, []any{silent(1, 2, 3), silent(1, 3, 2)}, true, false},
		"one of one: only with the lease":             {2, []any{silent(1, 2)}, false, false},
		"lease gone, one of one is silent":            {2, []any{silent(1, 2), gone(1)}, false, false},
		"lease gone, one of one hears it":             {2, []any{gone(1)}, false, true},
		"lease gone, nobody is there":                 {1, []any{gone(1)}, false, false},
		"lease gone, all hear it":                     {4, []any{gone(1)}, false, true},
		"lease gone, one of three hears it":           {4, []any{silent(1, 2), silent(1, 3), gone(1)}, false, true},
		"lease gone, two agree":                       {4, []any{silent(1, 2, 3), never(1, 3, 2), gone(1)}, false, false},
		"lease gone, all are silent and cut off":      {4, []any{silent(1, 2), silent(1, 3), silent(1, 4), gone(1)}, false, false},
		"lease gone, the others say so later":         {4, []any{gone(1), never(1, 2), silent(1, 3), silent(1, 4)}, false, false},
		"lease gone, a silent word is taken back":     {4, []any{silent(1, 2), silent(1, 3), gone(1), takenBack(1, 2)}, false, true},
		"lease gone, two silent, the third is gone":   {4, []any{silent(1, 2), silent(1, 3), gone(1), gone(4)}, false, false},
		"lost, and nobody speaks of it any more":      {4, []any{silent(1, 2, 3), silent(1, 3, 2), gone(1), takenBack(1, 2), takenBack(1, 3)}, false, false},
		"out of touch, then back":                     {4, []any{gone(1), machine(1)}, false, false},
		"out of touch, then lost":                     {4, []any{gone(1), silent(1, 2, 3), silent(1, 3, 2)}, false, false},
		"another machine has its address since":       {4, []any{gone(1), heir}, false, false},
		"another machine had its address before":      {4, []any{heir, gone(1)}, false, false},
		"it has left":                                 {4, []any{left}, false, false},
		"it was out of touch and has left after all":  {4, []any{gone(1), left[1]}, false, false},
		"it has left and is back, then out of touch":  {4, []any{left, []cluster.Event{machine(1), cluster.DepartedGone{Machine: id(1)}}, gone(1)}, false, true},
		"all its probers are gone: others will tell":  {8, []any{gone(1), gone(2), gone(3), gone(4), gone(5), gone(6), gone(7)}, false, true},
		"the machine's own word on another is nought": {4, []any{silent(2, 1, 3), silent(2, 3, 1)}, false, false},
	} {
		h := newHall()
		for n := 1; n <= c.machines; n++ {
			h.tell(machine(n))
		}
		h.assign()
		for _, happens := range c.happens {
			switch event := happens.(type) {
			case cluster.Event:
				h.tell(event)
			case []cluster.Event:
				h.tell(slices.Clone(event)...)
			}
		}
		if lost := h.Condemned(id(1)); lost != c.lost || h.answers[id(1)] != c.answers {
			t.Errorf("%s: lost %v, out of touch %v; want %v, %v", what, lost, h.answers[id(1)], c.lost, c.answers)
		}
	}
}

// Who is out of touch is probed on, also by the choice of a leader that comes later;
// who is lost or has left is not.
func TestWhoIsProbedOn(t *testing.T) {
	h := newHall()
	for n := 1; n <= 6; n++ {
		h.tell(machine(n))
	}
	h.assign()
	probed := func(c *detect.Court, n int) bool {
		for _, p := range h.facts {
			if p, is := p.(cluster.ProbesChanged); is && slices.ContainsFunc(p.Probes.Targets, func(t cluster.Target) bool { return t.Machine == id(n) }) {
				return true
			}
		}
		return false
	}
	h.tell(gone(1))
	h.assign()
	if !probed(h.Court, 1) || !h.answers[id(1)] {
		t.Fatalf("out of touch: probed %v, told %v", probed(h.Court, 1), h.answers)
	}
	h.learnAnew()
	if !h.answers[id(1)] || h.assign() != 0 {
		t.Errorf("a new leader holds out of touch %v, and has other duties to give", h.answers)
	}
	for _, p := range []int{2, 3, 4, 5, 6} {
		for _, other := range []int{2, 3, 4, 5, 6} {
			if other != p {
				h.tell(silent(1, p, other))
			}
		}
	}
	var all []cluster.Event
	for p := 2; p <= 6; p++ {
		all = append(all, silent(1, p, 2, 3, 4, 5, 6))
	}
	h.tell(all...)
	if h.assign(); probed(h.Court, 1) || h.answers[id(1)] {
		t.Errorf("lost: probed %v, out of touch %v", probed(h.Court, 1), h.answers)
	}
	h.tell(gone(2), cluster.DepartedChanged{Departed: cluster.Departed{Machine: id(2)}})
	if h.assign(); probed(h.Court, 2) {
		t.Error("who has left is probed on")
	}
}

// learnAnew has a new court read all that the store holds.
func (h *hall) learnAnew() {
	h.Court, h.answers = detect.NewCourt(), map[cluster.MachineID]bool{}
	h.Learn(cluster.Batch{Reset: true, Revision: h.revision, Events: h.all()})
	h.listen()
}

func (h *hall) all() []cluster.Event {
	var all []cluster.Event
	for _, name := range slices.Sorted(maps.Keys(h.facts)) {
		all = append(all, h.facts[name])
	}
	return all
}

// What was ended is not ended again before it has spoken, and what was not written
// is due again.
func TestEndedAndRetried(t *testing.T) {
	h := newHall()
	h.tell(machine(1), machine(2), machine(3))
	due := h.Due(10)
	if len(due) != 3 || len(h.Due(10)) != 0 {
		t.Fatalf("due %+v, and more after that", due)
	}
	h.Retry(due[:1])
	if again := h.Due(10); !reflect.DeepEqual(again, due[:1]) {
		t.Errorf("to be retried %+v, due %+v", due[:1], again)
	}
	h.Retry(due)
	h.assign()
	h.tell(silent(1, 2, 3), silent(1, 3, 2))
	lost := h.Lost()
	if len(lost) != 1 || lost[0].ID != id(1) || lost[0].Revision != 1 {
		t.Fatalf("lost %+v", lost)
	}
	h.Ended(lost[0])
	h.tell(silent(1, 2, 3))
	if lost := h.Lost(); len(lost) != 0 {
		t.Errorf("lost %+v, whose end is on its way", lost)
	}
	h.tell(machine(1))
	h.tell(silent(1, 2, 3), silent(1, 3, 2))
	if lost := h.Lost(); len(lost) != 1 {
		t.Error("it has spoken and fallen silent again, and is not lost")
	}
}

// TestCourtProperties: whatever happens in whatever order, nobody is lost without two
// fresh words of two machines that are there; who has left is never out of touch; a
// court that reads everything anew agrees on who is lost; and when nothing happens
// any more, nothing is due.
func TestCourtProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHall()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n, other := rapid.IntRange(1, 6).Draw(t, "machine"), rapid.IntRange(1, 6).Draw(t, "other")
			third := rapid.IntRange(1, 6).Draw(t, "third")
			switch rapid.IntRange(0, 8).Draw(t, "happens") {
			case 0, 1, 2:
				h.tell(machine(n), cluster.DepartedGone{Machine: id(n)})
			case 3:
				h.tell(gone(n))
			case 4:
				if _, registered := h.facts["machine "+string(id(n))]; registered {
					h.tell(cluster.DepartedChanged{Departed: cluster.Departed{Machine: id(n)}}, gone(n))
				}
			case 5:
				h.tell(silent(n, other, third))
			case 6:
				h.tell(never(n, other, third))
			case 7:
				h.tell(takenBack(n, other))
			case 8:
				h.assign()
			}
			checkCourt(t, h)
		}
		h.assign()
		if again := h.assign(); again != 0 {
			t.Fatalf("nothing happens, and %d duties are written", again)
		}
		lost := h.Lost()
		h.learnAnew()
		if anew := h.Lost(); !reflect.DeepEqual(lost, anew) {
			t.Fatalf("lost are %+v, and for a new leader %+v", lost, anew)
		}
	})
}

func checkCourt(t *rapid.T, h *hall) {
	for _, m := range h.Lost() {
		words := 0
		for _, event := range h.facts {
			word, is := event.(cluster.SuspicionChanged)
			if !is || word.Suspicion.Target != m.ID || word.Suspicion.Never || word.Suspicion.Revision <= m.Revision {
				continue
			}
			if h.facts["machine "+string(word.Suspicion.Prober)] != nil {
				words++
			}
		}
		if words < 2 || h.facts["machine "+string(m.ID)] == nil {
			t.Fatalf("%s is lost on %d words", m.ID, words)
		}
	}
	for m := range h.answers {
		if h.facts["departed "+string(m)] != nil || h.facts["machine "+string(m)] != nil {
			t.Fatalf("%s is out of touch, and is there or has left", m)
		}
	}
}
