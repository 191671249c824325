package schedule

import (
	"math"
	"slices"
	"sort"
	"strings"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// family counts where the instances of one template are, for those of them that
// ask for Spread= or MaxPerMachine=; without any it is forgotten.
type family struct {
	template cluster.UnitName
	askers   int
	limits   map[int]int        // instances by their MaxPerMachine
	counts   map[*machine]int32 // placements of its instances
	levels   []bitset           // machines with more than that many; kept once the machines are many
	spreads  map[string]*spread // by the label that it is spread over
	lines    []*line            // instances that wait, by priority: one that leaves may have kept them away
}

// spread is how many instances are on the live machines of each value of a label.
type spread struct {
	counts map[string]int
	as     int // the labelling that it was counted by
}

// asks says whether a unit needs its family counted.
func (n *needs) asks() bool { return len(n.Spread) > 0 || n.MaxPerMachine > 0 }

// joinFamily counts a unit in where somebody has its template's instances counted.
func (p *Picture) joinFamily(u *unit) {
	if len(p.families) == 0 {
		return
	}
	if template, is := u.name.Template(); is {
		u.family = p.families[template]
	}
}

// askFamily has the instances of a unit's template counted, from now on.
func (p *Picture) askFamily(u *unit) {
	if u.family == nil {
		template, is := u.name.Template()
		if !is {
			return
		}
		f := &family{template: template, limits: map[int]int{}, counts: map[*machine]int32{}}
		p.families[template] = f
		for member := range p.instances(template) {
			member.family = f
			if member.waiting {
				f.line(member.priority()).members.insert(member)
			}
			for _, s := range member.slots {
				p.countInstance(f, s.machine)
			}
		}
	}
	u.family.askers++
	if most := u.needs.MaxPerMachine; most > 0 {
		u.family.limits[most]++
	}
}

// unaskFamily takes that back.
func (p *Picture) unaskFamily(u *unit) {
	f := u.family
	if f == nil {
		return
	}
	if most := u.needs.MaxPerMachine; most > 0 {
		if f.limits[most]--; f.limits[most] == 0 {
			delete(f.limits, most)
		}
		for _, l := range f.lines {
			for waiting := range l.members.after("") {
				p.touch(waiting)
			}
		}
	}
	if f.askers--; f.askers > 0 {
		return
	}
	delete(p.families, f.template)
	delete(p.machines.others, f)
	for _, l := range f.lines {
		p.closeLine(l)
	}
	for member := range p.instances(f.template) {
		member.family = nil
	}
}

// line is the instances of one priority that wait.
func (f *family) line(priority int) *line {
	for _, l := range f.lines {
		if l.priority == priority {
			return l
		}
	}
	l := &line{key: rank(priority) + " instances of " + string(f.template), priority: priority}
	f.lines = append(f.lines, l)
	return l
}

// instances yields the known instances of a template.
func (p *Picture) instances(template cluster.UnitName) func(yield func(*unit) bool) {
	return func(yield func(*unit) bool) {
		for u := range p.byName.beginning(template.Prefix() + "@") {
			if of, is := u.name.Template(); is && of == template && !yield(u) {
				return
			}
		}
	}
}

// countInstance counts a placement.
func (p *Picture) countInstance(f *family, m *machine) {
	if f.add(m) {
		p.machines.others[f] = true
	}
}

func (f *family) sets(do func(*bitset)) {
	for i := range f.levels {
		do(&f.levels[i])
	}
}

// add says whether there are levels from now on.
func (f *family) add(m *machine) (widened bool) {
	f.counts[m]++
	f.count(m, 1)
	switch {
	case f.levels != nil:
		f.raise(m, f.counts[m]-1)
	case len(f.counts) > manyMachines:
		for m, count := range f.counts {
			for level := range count {
				f.raise(m, level)
			}
		}
		return true
	}
	return false
}

// raise takes a machine into a level.
func (f *family) raise(m *machine, level int32) {
	for len(f.levels) <= int(level) {
		f.levels = append(f.levels, nil)
	}
	f.levels[level].set(m.number)
}

func (f *family) drop(m *machine) {
	f.count(m, -1)
	if f.levels != nil {
		f.levels[f.counts[m]-1].clear(m.number)
	}
	if f.counts[m]--; f.counts[m] == 0 {
		delete(f.counts, m)
	}
}

// count keeps the spreads; those of an earlier labelling are made anew when they
// are asked for.
func (f *family) count(m *machine, n int) {
	for label, s := range f.spreads {
		if value, has := m.label(label); has && m.live() {
			s.counts[value] += n
		}
	}
}

// takeFull takes out of a set the machines that have most or more of the instances.
func (f *family) takeFull(set bitset, most int) {
	if f.levels == nil {
		for m, count := range f.counts {
			if int(count) >= most {
				set.clear(m.number)
			}
		}
	} else if most <= len(f.levels) {
		set.subtract(f.levels[most-1])
	}
}

// keepEmptiest keeps of a set, which is not empty, the machines with the fewest of
// the instances, and says how few.
func (f *family) keepEmptiest(set bitset) (fewest int) {
	if f.levels != nil {
		fewest = sort.Search(len(f.levels), func(level int) bool { return set.beyond(f.levels[level]) })
		f.takeFull(set, fewest+1)
		return fewest
	}
	for {
		rest := slices.Clone(set)
		if f.takeFull(rest, fewest+1); rest.beyond(nil) {
			copy(set, rest)
			return fewest
		}
		fewest++
	}
}

// spreadOver counts the instances by the values of a label.
func (p *Picture) spreadOver(f *family, label string) map[string]int {
	s := f.spreads[label]
	if s != nil && s.as == p.machines.labelling {
		return s.counts
	}
	s = &spread{counts: map[string]int{}, as: p.machines.labelling}
	for m, count := range f.counts {
		if value, has := m.label(label); has && m.live() {
			s.counts[value] += int(count)
		}
	}
	if f.spreads == nil {
		f.spreads = map[string]*spread{}
	}
	f.spreads[label] = s
	return s.counts
}

// takeCrowded takes out of a set the machines where one more instance would be
// one too many, for itself or for one that is there.
func (f *family) takeCrowded(set bitset, u *unit) {
	least := f.least()
	if least == 0 {
		return
	}
	if u.needs.MaxPerMachine == least {
		f.takeFull(set, least)
		return
	}
	for m, count := range f.counts { // texts of two minds: while one replaces another
		if int(count) >= least && f.full(u, m) {
			set.clear(m.number)
		}
	}
}

// full says whether a unit that comes to a machine would be one too many there.
func (f *family) full(u *unit, m *machine) bool {
	most := u.needs.most()
	for _, s := range m.slots {
		if s.unit != u && s.unit.family == f && s.unit.needs != nil {
			most = min(most, s.unit.needs.most())
		}
	}
	return int(f.counts[m]) >= most
}

// most is how many of its template a unit bears on its machine, itself included.
func (n *needs) most() int {
	if n.MaxPerMachine == 0 {
		return math.MaxInt
	}
	return n.MaxPerMachine
}

// least is the smallest limit that an instance sets, 0 where none does.
func (f *family) least() int {
	least := 0
	for limit := range f.limits {
		if least == 0 || limit < least {
			least = limit
		}
	}
	return least
}

// crowded returns how many of its template may be on a placement's machine where
// it is one too many, else 0: those that may rather stay are as many as they, or
// it, will bear.
func crowded(s *slot) int {
	f, m := s.unit.family, s.machine
	if f == nil || len(f.limits) == 0 || int(f.counts[m]) <= f.least() {
		return 0
	}
	seniors, most := 0, s.unit.needs.most()
	for other := range siblings(s) {
		if other.unit.needs != nil && seniority(other, s) < 0 {
			seniors++
			most = min(most, other.unit.needs.most())
		}
	}
	if seniors < most {
		return 0
	}
	return most
}

// siblings yields the placements beside s of instances of the same template that
// are wanted there.
func siblings(s *slot) func(yield func(*slot) bool) {
	return func(yield func(*slot) bool) {
		for _, other := range s.machine.slots {
			if other != s && other.unit.family == s.unit.family && other.pending != ending && other.unit.wanted() && !yield(other) {
				return
			}
		}
	}
}

// touchCrowd has Plan look at the siblings that must give way to a placement that
// stays; they may have been looked at last when that was not so yet.
func (p *Picture) touchCrowd(s *slot) {
	if s.unit.family == nil || s.unit.family.counts[s.machine] < 2 {
		return
	}
	for other := range siblings(s) {
		if other.unit.needs != nil && crowded(other) > 0 {
			p.touch(other.unit)
		}
	}
}

// label is the machine's value of a key of metadata, or of several that compose
// has joined.
func (m *machine) label(key string) (value string, has bool) {
	first, rest, joined := strings.Cut(key, joint)
	value, has = m.metadata[first]
	for joined && has {
		var next string
		first, rest, joined = strings.Cut(rest, joint)
		next, has = m.metadata[first]
		value += joint + next
	}
	return value, has
}

// joint stands between keys, and between values, that are one label together.
const joint = "\x00"

// compose returns the labels that keys of Spread= are balanced over, one after
// another: a rack is one of its region's.
func (ms *machines) compose(keys []string) []string {
	var labels, joined []string
	for _, key := range keys {
		if key == unitfile.SpreadMachine {
			labels = append(labels, key)
			continue
		}
		joined = append(joined, key)
		label := strings.Join(joined, joint)
		labels = append(labels, label)
		if len(joined) > 1 && !slices.Contains(ms.joined, label) {
			ms.joined = append(ms.joined, label)
			for number := range ms.live.all {
				ms.enterLabel(ms.ordered[number], label)
			}
		}
	}
	return labels
}

// enterLabel takes a machine in under a label of several keys.
func (ms *machines) enterLabel(m *machine, label string) {
	if value, has := m.label(label); has {
		ms.labelled(label, value, m)
	}
}
