package schedule_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// explain prints an explanation as the scenario files have it.
func explain(p *schedule.Picture, name cluster.UnitName) string {
	e, known := p.Why(name)
	if !known {
		return fmt.Sprintf("%s is not known\n", name)
	}
	var out strings.Builder
	fmt.Fprintln(&out, e.Summary)
	for _, v := range e.Machines {
		fmt.Fprintf(&out, "  %s%s: %s\n", map[bool]string{true: "+", false: "-"}[v.Fits], v.Name, v.Reason)
	}
	return out.String()
}

// TestWhy checks at the rests of drawn histories that explanations agree with the
// naive judge: a machine fits where it has no objection, each that does not has a
// reason, and a unit that was refused fits nowhere.
//
// Planted once, and caught here: conflicts not looked at; a conflict without its
// words; other machines than those that are up.
func TestWhy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, unitNames, nil)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			h.step()
		}
		h.rest()
		for _, unit := range unitNames {
			h.explained(unit)
		}
	})
}

func (h *history) explained(unit cluster.UnitName) {
	e, known := h.picture.Why(unit)
	if _, there := h.units[unit]; there != known {
		h.fail("a unit is known to one and not to the other", string(unit))
	}
	if !h.wanted(unit) {
		return
	}
	if len(e.Machines) != len(h.machines) {
		h.fail("not every machine is explained", string(unit), fmt.Sprint(e))
	}
	for i, v := range e.Machines {
		_, here := h.placements[place{v.Machine, unit}]
		why := h.objection(unit, v.Machine)
		if here {
			why = h.mustGo(unit, v.Machine)
		}
		switch {
		case i > 0 && e.Machines[i-1].Machine >= v.Machine, v.Name != h.names[v.Machine], v.Here != here:
			h.fail("a machine is taken for another", explain(h.picture, unit))
		case v.Fits != (why == ""):
			h.fail("explained against the judge", explain(h.picture, unit), h.names[v.Machine], why)
		case v.Reason == "":
			h.fail("a machine is not explained", explain(h.picture, unit))
		case strings.Contains(why, "conflict with ") && !strings.Contains(v.Reason, ", which "):
			h.fail("a conflict is not named", explain(h.picture, unit), why)
		}
	}
	if note, refused := h.unplaced[unit]; refused && !strings.Contains(e.Summary, strings.TrimPrefix(note.Reason, "no machine can take it: ")) {
		h.fail("a refusal does not say why", e.Summary, note.Reason)
	}
}
