package schedule

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"argosy/core/unitfile"
)

// best is what the machine that was chosen has before others that fit as well.
type best struct {
	fitting  int
	among    int                   // as good as the chosen one but for its load
	score    int                   // of the preferences
	prefer   []unitfile.Preference // of the unit
	sparse   string                // the last key that it is spread over
	siblings int                   // instances there
	grouped  bool                  // those count alone that suit its followers too
}

// choose returns the number of the machine to take, or -1: of those with the
// highest score those where the fewest instances of the template are, by one key
// after another, and of these the least loaded. The set is used up unless the
// unit has nothing to choose by.
func (p *Picture) choose(u *unit, set bitset, fitting int) (int, best) {
	b := best{fitting: fitting, among: fitting}
	if fitting > 1 && (len(u.needs.Prefer) > 0 || len(u.needs.spread) > 0) {
		set = p.preferred(u.needs.Prefer, set, &b)
		if u.family != nil {
			for i, label := range u.needs.spread {
				set = p.sparsest(u, label, u.needs.Spread[i], set, &b)
			}
		}
		b.among = set.count()
	}
	return p.machines.levels.least(set), b
}

// class is the machines with one score.
type class struct {
	score    int
	machines bitset
}

// preferred keeps the machines with the highest score. Each preference splits the
// classes of those before; what cannot become the best any more is dropped.
func (p *Picture) preferred(preferences []unitfile.Preference, set bitset, b *best) bitset {
	b.prefer = preferences
	rest := 0
	for _, preference := range preferences {
		rest += preference.Weight
	}
	classes, most := []class{{0, set}}, 0
	for _, preference := range preferences {
		rest -= preference.Weight
		meeting := p.machines.having(preference.Metadata)
		var split []class
		for _, c := range classes {
			if c.machines.firstIn(meeting) >= 0 {
				in := slices.Clone(c.machines)
				in.intersect(meeting)
				split = addClass(split, class{c.score + preference.Weight, in})
				most = max(most, c.score+preference.Weight)
			}
			if c.score+rest >= most {
				c.machines.subtract(meeting)
				if c.machines.beyond(nil) {
					split = addClass(split, c)
				}
			}
		}
		classes = slices.DeleteFunc(split, func(c class) bool { return c.score+rest < most })
	}
	b.score = most
	for _, c := range classes {
		if c.score == most {
			return c.machines
		}
	}
	return set
}

// addClass joins machines that have come to the same score by other ways.
func addClass(classes []class, c class) []class {
	for i := range classes {
		if classes[i].score == c.score {
			classes[i].machines.unite(c.machines)
			return classes
		}
	}
	return append(classes, c)
}

// sparsest keeps the machines of those values of a label that the fewest instances
// of the unit's template are on. Machines without the label come last.
func (p *Picture) sparsest(u *unit, label, key string, set bitset, b *best) bitset {
	if key == unitfile.SpreadMachine {
		b.sparse, b.siblings = key, u.family.keepEmptiest(set)
		return set
	}
	counts := p.spreadOver(u.family, label)
	fewest := math.MaxInt
	p.sparse = p.sparse[:0]
	for value, machines := range p.machines.labels[label] {
		count := counts[value]
		for _, s := range u.slots { // it is about to leave there
			if has, is := s.machine.label(label); is && has == value && s.machine.live() {
				count--
			}
		}
		if count > fewest || machines.firstIn(set) < 0 {
			continue
		}
		if count < fewest {
			fewest, p.sparse = count, p.sparse[:0]
		}
		p.sparse.unite(machines)
	}
	if fewest < math.MaxInt {
		set.intersect(p.sparse)
		b.sparse, b.siblings = key, fewest
	}
	return set
}

// why says what is better about the machine that was chosen, and than how many.
func (b best) why(m *machine) string {
	var met []string
	for _, p := range b.prefer {
		if p.Met(m.metadata) {
			met = append(met, p.Metadata.String())
		}
	}
	where := ""
	if len(met) > 0 {
		where = " with " + strings.Join(met, " and ")
	}
	switch {
	case b.sparse == unitfile.SpreadMachine:
		where += fmt.Sprintf(" holding the fewest instances of its template (%d)", b.siblings)
	case b.sparse != "":
		where += fmt.Sprintf(" whose %s has the fewest instances of its template (%d)", b.sparse, b.siblings)
	}
	if where == "" {
		return ""
	}
	least := "the only machine"
	if b.among > 1 {
		least = fmt.Sprintf("least loaded of %d machines", b.among)
	}
	return fmt.Sprintf("%s%s, of %d that fit", least, where, b.fitting)
}
