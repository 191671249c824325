package chaos

import (
	"fmt"
	"slices"
)

// Shown is what the cluster says of a unit when all is mended.
type Shown struct {
	Wanted
	On []string // the machines where it is placed
}

// Acknowledged is law 8: what the cluster shows is what it last acknowledged, or
// a request that it left without an answer.
func (h *History) Acknowledged(shown map[string]Shown, at Time) (found []Violation) {
	for _, u := range h.Units {
		var may []Wanted
		for _, q := range h.Requests {
			switch {
			case q.Unit != u.Name || q.Outcome == Refused:
			case q.Outcome == Unknown:
				may = append(may, q.Wanted)
			default:
				may = append(slices.DeleteFunc(may, func(w Wanted) bool { return !h.unanswered(u.Name, w) }), q.Wanted)
			}
		}
		now := shown[u.Name].Wanted
		if len(may) == 0 {
			may = []Wanted{{}}
		}
		if !slices.Contains(may, now) {
			found = append(found, Violation{Law: 8, Unit: u.Name, At: at, Says: fmt.Sprintf("is %s, and was acknowledged as %s", now, may[len(may)-1])})
		}
	}
	return found
}

// unanswered says whether a request of that kind was ever left without an
// answer: it may still take effect after later ones.
func (h *History) unanswered(unit string, w Wanted) bool {
	return slices.ContainsFunc(h.Requests, func(q Request) bool {
		return q.Unit == unit && q.Wanted == w && q.Outcome == Unknown
	})
}

// Converged says what is still not as it should be once all is mended: each unit
// that is wanted runs once, where it is placed, in its newest version, beside
// whom it may; and no other runs.
func (h *History) Converged(shown map[string]Shown, at Time) (not []Violation) {
	for _, u := range h.Units {
		if says := h.unsettled(u, shown[u.Name]); says != "" {
			not = append(not, Violation{Unit: u.Name, At: at, Says: says})
		}
	}
	for _, m := range h.Machines {
		not = append(not, h.wrongNeighbours(m.Name, shown, at)...)
	}
	return not
}

// unsettled says what is wrong with one unit, nothing if all is well.
func (h *History) unsettled(u Unit, s Shown) string {
	var open []string
	ran := false
	for _, r := range h.runs(u.Name) {
		ran = ran || r.Version == s.Version
		if r.Open() {
			open = append(open, r.Machine)
			if r.Version != s.Version {
				return fmt.Sprintf("runs on %s in version %d and is %s", r.Machine, r.Version, s.Wanted)
			}
		}
	}
	slices.Sort(open)
	placed, copies := slices.Sorted(slices.Values(s.On)), 1
	if u.Global {
		copies = len(h.Machines)
	}
	switch {
	case u.Once && s.Desired == "launched":
		if !ran || len(open) > 0 {
			return fmt.Sprintf("is %s, has run: %t, runs on %v", s.Wanted, ran, open)
		}
	case s.Desired != "launched":
		if len(open) > 0 {
			return fmt.Sprintf("is %s and runs on %v", s.Wanted, open)
		}
	case len(open) != copies || !slices.Equal(open, placed):
		return fmt.Sprintf("runs on %v and is placed on %v, expected on %d", open, placed, copies)
	}
	return ""
}

// wrongNeighbours holds the placements on a machine against the units' words.
func (h *History) wrongNeighbours(machine string, shown map[string]Shown, at Time) (not []Violation) {
	var here []Unit
	for _, u := range h.Units {
		if slices.Contains(shown[u.Name].On, machine) {
			here = append(here, u)
		}
	}
	for i, u := range here {
		wrong := func(format string, words ...any) {
			not = append(not, Violation{Unit: u.Name, Machine: machine, At: at, Says: fmt.Sprintf(format, words...)})
		}
		of := func(other Unit) bool { return other.Name == u.MachineOf }
		if u.MachineOf != "" && len(shown[u.MachineOf].On) > 0 && !slices.ContainsFunc(here, of) {
			wrong("is placed there, and %s is not", u.MachineOf)
		}
		instances := 0
		for _, other := range here {
			if sameTemplate(u.Name, other.Name) {
				instances++
			}
		}
		if u.MaxPerMachine > 0 && instances > u.MaxPerMachine {
			wrong("is one of %d of its template there, of which %d may be", instances, u.MaxPerMachine)
		}
		for _, other := range here[:i] {
			if conflict(u, other) {
				wrong("is placed together with %s", other.Name)
			}
		}
	}
	return not
}
