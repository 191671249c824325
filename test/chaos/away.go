package chaos

import (
	"slices"
	"time"
)

// settle is how long after a machine is back what its absence has brought about
// may still be put right: copies ended, units placed.
const settle = 15 * time.Second

// lost lists when a machine could be taken for lost, and when what follows from
// that may still come: from the beginning of a fault until settle after its end,
// and longer where the store had no majority to settle anything by.
func (h *History) lost(machine string) []Span {
	var spans []Span
	for _, f := range h.Faults {
		if f.Machine == machine && f.Kind.takesMachine() {
			spans = append(spans, f.Span)
		}
	}
	spans = append(spans, h.cutFromSeveral(machine)...)
	paralysed := h.withoutMajority()
	for i := range spans {
		if spans[i].To == 0 {
			continue
		}
		for _, p := range paralysed {
			if p.From < spans[i].To+settle && p.To > spans[i].To {
				spans[i].To = p.To
			}
		}
		spans[i].To += settle
	}
	return spans
}

// cutFromSeveral are the times in which cuts in pairs add up: a machine that two
// others do not reach may be lost.
func (h *History) cutFromSeveral(machine string) []Span {
	var cuts []Span
	for _, f := range h.Faults {
		if f.Kind == Pair && (f.Machine == machine || f.Other == machine) {
			cuts = append(cuts, f.Span)
		}
	}
	return together(cuts, 2)
}

// withoutMajority are the times in which the store could not write.
func (h *History) withoutMajority() []Span {
	members := 0
	var votes []Span
	for _, m := range h.Machines {
		if !m.Member {
			continue
		}
		members++
		for _, f := range h.Faults {
			if f.Machine == m.Name && f.Kind.takesVote() {
				votes = append(votes, f.Span)
			}
		}
	}
	return together(votes, (members+1)/2)
}

// together are the times in which at least so many of spans hold at once.
func together(spans []Span, least int) []Span {
	var edges []Time
	for _, s := range spans {
		edges = append(edges, s.From, s.To)
	}
	slices.Sort(edges)
	var both []Span
	for i := 1; i < len(edges); i++ {
		count := 0
		for _, s := range spans {
			if s.From <= edges[i-1] && edges[i] <= s.To {
				count++
			}
		}
		switch {
		case count < least || edges[i] == edges[i-1]:
		case len(both) > 0 && both[len(both)-1].To == edges[i-1]:
			both[len(both)-1].To = edges[i]
		default:
			both = append(both, Span{edges[i-1], edges[i]})
		}
	}
	return both
}

// stood are the times in which a machine's kernel stood still.
func (h *History) stood(machine string) []Span {
	var spans []Span
	for _, f := range h.Faults {
		if f.Machine == machine && f.Kind == Pause {
			spans = append(spans, f.Span)
		}
	}
	return spans
}

func holds(spans []Span, t Time) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.From <= t && (s.To == 0 || t <= s.To) })
}

// overlap is the time that two runs have in common; one that is open lasts until
// end.
func overlap(a, b Span, end Time) (Span, bool) {
	both := Span{max(a.From, b.From), min(until(a, end), until(b, end))}
	return both, both.From < both.To
}

func until(s Span, end Time) Time {
	if s.To == 0 {
		return end
	}
	return s.To
}

// without is what is left of a span outside others.
func without(s Span, others []Span) (left time.Duration) {
	pieces := []Span{s}
	for _, o := range others {
		var next []Span
		for _, p := range pieces {
			if cut := (Span{p.From, min(p.To, o.From)}); cut.From < cut.To {
				next = append(next, cut)
			}
			if cut := (Span{max(p.From, o.To), p.To}); cut.From < cut.To {
				next = append(next, cut)
			}
		}
		pieces = next
	}
	for _, p := range pieces {
		left += p.To - p.From
	}
	return left
}
