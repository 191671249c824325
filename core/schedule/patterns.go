package schedule

import (
	"slices"
	"strings"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// pattern is one glob of Conflicts= or Replaces=, shared by all units that carry
// it. It knows on which machines it matters, so that the machines which a unit
// must avoid are the union of a few sets: where a unit is that one of its
// patterns means, and where a unit is that carries a pattern which means it.
type pattern struct {
	text    string
	holders int   // units that carry it; with none it is forgotten
	meant   tally // placements of units that it means
	carried tally // placements of units that carry it

	// Units that could not be placed and carry it, or are meant by it: to be
	// tried again when a placement on the other side ends.
	waitingHolders map[*unit]bool
	waitingMeant   map[*unit]bool
}

// tally counts placements by machine.
type tally struct {
	counts map[*machine]int32
	bits   bitset // the same machines, kept once they are many
}

func (t *tally) sets(do func(*bitset)) { do(&t.bits) }

// manyMachines is where a set of bits becomes cheaper than walking the counts.
const manyMachines = 32

// add says whether there are bits from now on.
func (t *tally) add(m *machine) (widened bool) {
	if t.counts == nil {
		t.counts = map[*machine]int32{}
	}
	t.counts[m]++
	switch {
	case t.bits != nil:
		t.bits.set(m.number)
	case len(t.counts) > manyMachines:
		for m := range t.counts {
			t.bits.set(m.number)
		}
		return true
	}
	return false
}

func (t *tally) drop(m *machine) {
	if t.counts[m]--; t.counts[m] <= 0 {
		delete(t.counts, m)
		t.bits.clear(m.number)
	}
}

// subtractFrom takes the machines out of a set.
func (t *tally) subtractFrom(set bitset) {
	if t.bits != nil {
		set.subtract(t.bits)
		return
	}
	for m := range t.counts {
		set.clear(m.number)
	}
}

// patterns finds a pattern by its text, and those that mean a name.
type patterns struct {
	byText map[string]*pattern
	// globs are the patterns that are not simply a name, by what stands before
	// their first special character; lengths are those beginnings' lengths,
	// sorted, with how many patterns have each.
	globs   map[string][]*pattern
	lengths []int
	perLen  map[int]int
}

func newPatterns() patterns {
	return patterns{byText: map[string]*pattern{}, globs: map[string][]*pattern{}, perLen: map[int]int{}}
}

// literal returns what every name begins with that a pattern means, and whether
// that is all of it.
func literal(text string) (prefix string, whole bool) {
	if end := strings.IndexAny(text, `*?[\`); end >= 0 {
		return text[:end], false
	}
	return text, true
}

func (ps *patterns) add(text string) *pattern {
	pat := &pattern{text: text}
	ps.byText[text] = pat
	if prefix, whole := literal(text); !whole {
		ps.globs[prefix] = append(ps.globs[prefix], pat)
		if ps.perLen[len(prefix)]++; ps.perLen[len(prefix)] == 1 {
			at, _ := slices.BinarySearch(ps.lengths, len(prefix))
			ps.lengths = slices.Insert(ps.lengths, at, len(prefix))
		}
	}
	return pat
}

func (ps *patterns) remove(pat *pattern) {
	delete(ps.byText, pat.text)
	prefix, whole := literal(pat.text)
	if whole {
		return
	}
	if ps.globs[prefix] = without(ps.globs[prefix], pat); len(ps.globs[prefix]) == 0 {
		delete(ps.globs, prefix)
	}
	if ps.perLen[len(prefix)]--; ps.perLen[len(prefix)] == 0 {
		delete(ps.perLen, len(prefix))
		ps.lengths = without(ps.lengths, len(prefix))
	}
}

// meaning returns the patterns that mean a name.
func (ps *patterns) meaning(name cluster.UnitName) []*pattern {
	var found []*pattern
	if pat := ps.byText[string(name)]; pat != nil {
		found = append(found, pat)
	}
	for _, length := range ps.lengths {
		if length > len(name) {
			break
		}
		for _, pat := range ps.globs[string(name[:length])] {
			if pat.text != string(name) && unitfile.Matches(pat.text, name) {
				found = append(found, pat)
			}
		}
	}
	return found
}

func without[T comparable](list []T, item T) []T {
	if at := slices.Index(list, item); at >= 0 {
		return slices.Delete(list, at, at+1)
	}
	return list
}

// carry gives a unit the patterns that its needs name.
func (p *Picture) carry(u *unit) {
	for _, text := range slices.Concat(u.needs.Conflicts, u.needs.Replaces) {
		pat := p.patterns.byText[text]
		if pat == nil {
			pat = p.addPattern(text)
		}
		if slices.Contains(u.avoids, pat) {
			continue
		}
		pat.holders++
		u.avoids = append(u.avoids, pat)
		for _, s := range u.slots {
			p.count(&pat.carried, s.machine)
		}
	}
}

// count counts a placement.
func (p *Picture) count(t *tally, m *machine) {
	if t.add(m) {
		p.machines.others[t] = true
	}
}

// addPattern takes in a pattern that no unit carried before.
func (p *Picture) addPattern(text string) *pattern {
	pat := p.patterns.add(text)
	for u := range p.meant(text) {
		u.avoided = append(u.avoided, pat)
		if u.waiting { // for something else, which may come free where this keeps it away
			pat.waitingMeant = with(pat.waitingMeant, u)
		}
		for _, s := range u.slots {
			p.count(&pat.meant, s.machine)
		}
	}
	return pat
}

// uncarry takes a unit's patterns from it.
func (p *Picture) uncarry(u *unit) {
	for _, pat := range u.avoids {
		for _, s := range u.slots {
			pat.carried.drop(s.machine)
			p.touchAll(pat.waitingMeant)
		}
		if pat.holders--; pat.holders == 0 {
			for meant := range p.meant(pat.text) {
				meant.avoided = without(meant.avoided, pat)
			}
			p.patterns.remove(pat)
			delete(p.machines.others, &pat.meant)
			delete(p.machines.others, &pat.carried)
		}
	}
	u.avoids = nil
}

// meant yields the known units that a pattern means.
func (p *Picture) meant(text string) func(yield func(*unit) bool) {
	return func(yield func(*unit) bool) {
		prefix, whole := literal(text)
		if whole {
			if u := p.units[cluster.UnitName(text)]; u != nil {
				yield(u)
			}
			return
		}
		for u := range p.byName.beginning(prefix) {
			if unitfile.Matches(text, u.name) && !yield(u) {
				return
			}
		}
	}
}
