package laws

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// AtRest lists what is not as it should be once nothing changes any more: the
// cluster must come to where it lists nothing. A unit that was started and has ended
// by itself is as it should be.
func (l *Laws) AtRest() (wrong []string) {
	fault := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, id := range slices.Sorted(maps.Keys(l.kernels)) {
		if l.store.machines[id].Boot != l.kernels[id] {
			fault("%s is up with boot %q and registered with %q", id.Short(), l.kernels[id], l.store.machines[id].Boot)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.store.machines)) {
		if _, up := l.kernels[id]; !up {
			fault("%s is registered and not up", id.Short())
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(l.store.units)) {
		wrong = append(wrong, l.unitAtRest(unit)...)
	}
	for _, unit := range slices.Sorted(maps.Keys(l.store.placements)) {
		for id := range l.store.placements[unit] {
			if !l.store.wanted(unit) {
				fault("%s is placed on %s and not wanted", unit, id.Short())
			}
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(l.running)) {
		for _, id := range l.Running(unit) {
			if placement, stands := l.store.placement(Place{id, unit}); !stands || placement.Wanted != Launched {
				fault("%s runs on %s, where it has no business", unit, id.Short())
			}
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(l.store.refusals)) {
		if on := l.store.where(unit); !l.store.wanted(unit) || len(on) > 0 {
			fault("%s is refused, wanted %v, placed on %d machines", unit, l.store.wanted(unit), len(on))
		}
	}
	return wrong
}

func (l *Laws) unitAtRest(unit cluster.UnitName) (wrong []string) {
	fault := func(format string, args ...any) {
		wrong = append(wrong, string(unit)+": "+fmt.Sprintf(format, args...))
	}
	if !l.store.wanted(unit) {
		return nil
	}
	u, on, global := l.store.units[unit], l.store.where(unit), l.store.wish(unit).Global
	if len(on) > 1 && !global {
		fault("it is placed on %d machines", len(on))
	}
	if len(on) == 0 {
		if why := l.store.explained(unit); why != "" {
			fault("%s", why)
		}
	}
	for _, id := range on {
		at := Place{id, unit}
		placement, _ := l.store.placement(at)
		_, runs := l.running[unit][id]
		switch {
		case placement.Hash != u.Hash || placement.Generation != u.Generation || placement.Wanted != u.Wanted:
			fault("on %s it is placed as %+v, wanted %+v", id.Short(), placement.Placement, u)
		case u.Wanted == Launched && !runs && l.spent[at] != u.Generation:
			fault("it does not run on %s", id.Short())
		case runs && l.asked[at] != u.Generation:
			fault("on %s generation %d runs, not %d", id.Short(), l.asked[at], u.Generation)
		}
		if why := strings.TrimSpace(l.store.elsewhere(at) + " " + l.store.rivals(at) + " " + l.store.crowd(at, l.store.both)); why != "" {
			fault("it may not stay on %s: %s", id.Short(), why)
		}
		if state := l.store.states[at]; state.Generation != u.Generation || runs != (state.Active == "active") {
			fault("on %s it runs: %v, and its state says %+v of generation %d", id.Short(), runs, state, u.Generation)
		}
	}
	if global {
		wrong = append(wrong, l.everywhere(unit)...)
	}
	return wrong
}

// everywhere lists the machines that a global unit should be on and is not.
func (l *Laws) everywhere(unit cluster.UnitName) (wrong []string) {
	for _, id := range slices.Sorted(maps.Keys(l.store.machines)) {
		at := Place{id, unit}
		if _, stands := l.store.placement(at); !stands && l.store.against(at) == "" {
			wrong = append(wrong, fmt.Sprintf("%s is global and not on %s", unit, id.Short()))
		}
	}
	return wrong
}
