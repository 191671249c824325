package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Violation is a law that was broken.
type Violation struct {
	Law     int // of ARCHITECTURE.md; 0 for what has not converged
	Unit    string
	Machine string
	At      Time
	Says    string
}

func (v Violation) String() string {
	text := v.Unit
	if v.Machine != "" {
		text += " on " + v.Machine
	}
	if text += " " + v.Says; v.Law > 0 {
		text = fmt.Sprintf("law %d: %s", v.Law, text)
	}
	return text
}

const (
	// blink is what two clocks that are read one after the other may differ by:
	// /proc/uptime counts hundredths of a second.
	blink = 30 * time.Millisecond
	// recent is how long before a process began a request for its unit may have
	// been sent that ends it: requests overtake what they ask for.
	recent = 20 * time.Second
	// FenceBound is how long after a stalled kernel goes on two copies of a fenced
	// unit may be there: the fence has run out, its processes have time to stop.
	FenceBound = 15 * time.Second
)

// Check holds what ran against the laws. end is when the history was taken down.
func Check(h *History, end Time) []Violation {
	slices.SortStableFunc(h.Runs, func(a, b Run) int { return cmp.Compare(a.From, b.From) })
	var found []Violation
	for _, u := range h.Units {
		runs := h.runs(u.Name)
		found = append(found, h.checkEnds(u, runs, end)...)
		if !u.Global {
			found = append(found, h.checkStarts(u, runs)...)
		}
		if u.Fenced {
			found = append(found, h.checkAtMostOnce(u, runs, end)...)
		}
	}
	found = append(found, h.checkNeighbours(end)...)
	slices.SortStableFunc(found, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	return found
}

// checkEnds is laws 1 and 6: no process ends but for a reason. One that is on
// its machine again was stopped for nothing; one that is elsewhere was moved.
func (h *History) checkEnds(u Unit, runs []Run, end Time) (found []Violation) {
	for i, r := range runs {
		if r.Open() || u.Once || h.explained(u, r, r.To, end) {
			continue
		}
		v := Violation{Law: 1, Unit: u.Name, Machine: r.Machine, At: r.To, Says: "was stopped, and nothing happened to its machine and nobody asked for it"}
		if i+1 < len(runs) && runs[i+1].Machine != r.Machine && !u.Global {
			v.Law, v.Says = 6, fmt.Sprintf("was moved to %s, and nothing happened to its machine and nobody asked for it", runs[i+1].Machine)
		}
		found = append(found, v)
	}
	return found
}

// checkStarts is laws 1 and 6 from the other side: a unit begins again only for
// a reason, be its former process still there or done.
func (h *History) checkStarts(u Unit, runs []Run) (found []Violation) {
	for i := 1; i < len(runs); i++ {
		before, now := runs[i-1], runs[i]
		if h.explained(u, before, now.From, now.From) {
			continue
		}
		switch {
		case before.Machine != now.Machine && before.at(now.From):
			found = append(found, Violation{6, u.Name, now.Machine, now.From, fmt.Sprintf("was started while it ran on %s, to which nothing had happened", before.Machine)})
		case u.Once:
			found = append(found, Violation{1, u.Name, now.Machine, now.From, fmt.Sprintf("was done on %s, and was started again", before.Machine)})
		}
		// Any other end before this start is checkEnds's to judge.
	}
	return found
}

// explained says whether something that happened to the process r at time t has
// a reason: a request for its unit, its machine's absence, a second copy that
// another machine brought back, the unit that it shares its machine with, or a
// neighbour that it may not have.
func (h *History) explained(u Unit, r Run, t, end Time) bool {
	return h.asked(r, t) || holds(h.lost(r.Machine), t) || u.Fenced && h.fenceFell(r.Machine, t) ||
		h.broughtBack(r, t, end) || u.MachineOf != "" && h.followed(u, t) || h.crowded(u, r, t, end)
}

// fenceFell says whether a machine may have stopped its fenced units, as they
// asked for: its agent could not renew the fence, or the store could not answer.
func (h *History) fenceFell(machine string, t Time) bool {
	spans := h.withoutMajority()
	for _, f := range h.Faults {
		if f.Machine == machine || f.Other == machine {
			spans = append(spans, f.Span)
		}
	}
	return slices.ContainsFunc(spans, func(s Span) bool { return s.From <= t && (s.To == 0 || t <= s.To+settle) })
}

// asked says whether a request for the unit may have taken effect at time t on
// the process r: any that was sent while it ran, and of those sent before that
// any but the one that it was started for. Its end was read off another clock.
func (h *History) asked(r Run, t Time) bool {
	return slices.ContainsFunc(h.Requests, func(q Request) bool {
		return q.Unit == r.Unit && q.Outcome != Refused && q.From > r.From-recent && q.From <= t+blink &&
			(q.From > r.From || q.Wanted != Wanted{"launched", r.Version})
	})
}

// broughtBack says whether another machine, which had been taken for lost, had
// the unit too.
func (h *History) broughtBack(r Run, t, end Time) bool {
	return slices.ContainsFunc(h.Runs, func(other Run) bool {
		if other.Unit != r.Unit || other.Machine == r.Machine {
			return false
		}
		_, both := overlap(r.Span, Span{other.From, until(other.Span, end) + settle}, t)
		return both && holds(h.lost(other.Machine), t)
	})
}

// followed says whether the unit that u shares its machine with was itself begun,
// ended or asked for about that time.
func (h *History) followed(u Unit, t Time) bool {
	near := func(at Time) bool { return at != 0 && t-settle <= at && at <= t+settle }
	asked := slices.ContainsFunc(h.Requests, func(q Request) bool { return q.Unit == u.MachineOf && near(q.From) })
	return asked || slices.ContainsFunc(h.Runs, func(r Run) bool {
		return r.Unit == u.MachineOf && (near(r.From) || near(r.To))
	})
}

// crowded says whether a neighbour that u may not have had come to its machine.
func (h *History) crowded(u Unit, r Run, t, end Time) bool {
	return slices.ContainsFunc(h.Runs, func(other Run) bool {
		_, both := overlap(r.Span, Span{other.From, until(other.Span, end)}, t)
		return both && other.Machine == r.Machine && (conflict(u, h.unit(other.Unit)) || u.MaxPerMachine > 0 && sameTemplate(u.Name, other.Unit)) &&
			t-other.From < settle
	})
}

// checkAtMostOnce is law 2: no two copies while both kernels ran, and for a
// bounded time after one that stalled goes on; and a token that grows.
func (h *History) checkAtMostOnce(u Unit, runs []Run, end Time) (found []Violation) {
	for i, a := range runs {
		for _, b := range runs[i+1:] {
			if a.Machine != b.Machine && b.Token <= a.Token {
				found = append(found, Violation{2, u.Name, b.Machine, b.From, fmt.Sprintf("has the fencing token %d, and %d was given to %s before", b.Token, a.Token, a.Machine)})
			}
			both, yes := overlap(a.Span, b.Span, end)
			if !yes || a.Machine == b.Machine {
				continue
			}
			var stalled []Span
			for _, s := range slices.Concat(h.stood(a.Machine), h.stood(b.Machine)) {
				stalled = append(stalled, Span{s.From, until(s, end) + FenceBound})
			}
			if twice := without(both, stalled); twice > blink {
				found = append(found, Violation{2, u.Name, b.Machine, both.From, fmt.Sprintf("ran %s on %s and %s at once", twice.Round(time.Millisecond), a.Machine, b.Machine)})
			}
		}
	}
	return found
}

// checkNeighbours is law 5 as it can be seen from outside: what may not share a
// machine does not run there together, unless the machine was away and brought
// back what it had.
func (h *History) checkNeighbours(end Time) (found []Violation) {
	for i, b := range h.Runs {
		unit := h.unit(b.Unit)
		instances := 1
		for _, a := range h.Runs[:i] {
			both, yes := overlap(a.Span, b.Span, end)
			if !yes || both.To-both.From <= blink || a.Machine != b.Machine || a.Unit == b.Unit || holds(h.lost(b.Machine), both.From) {
				continue
			}
			if conflict(unit, h.unit(a.Unit)) {
				found = append(found, Violation{5, b.Unit, b.Machine, b.From, "was started beside " + a.Unit + ", with which it may not share a machine"})
			}
			if sameTemplate(a.Unit, b.Unit) && a.at(b.From+blink) {
				instances++
			}
		}
		if unit.MaxPerMachine > 0 && instances > unit.MaxPerMachine {
			found = append(found, Violation{5, b.Unit, b.Machine, b.From, fmt.Sprintf("was the %d. of its template there, of which %d may be", instances, unit.MaxPerMachine)})
		}
	}
	return found
}

// sameTemplate says whether two units are instances of one template.
func sameTemplate(a, b string) bool {
	template, _, instance := strings.Cut(a, "@")
	other, _, too := strings.Cut(b, "@")
	return instance && too && template == other
}
