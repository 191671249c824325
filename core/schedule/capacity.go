package schedule

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// amount is how much of one kind of thing a unit takes of its machine. Kinds are
// numbered: memory in bytes, thousandths of a core, and what else machines count.
type amount struct {
	kind int
	n    int64
}

const (
	memory = iota
	cpu
	firstOther
)

// capacity finds the machines with room without looking at each: for every amount
// that was asked for it keeps the set of live machines that have as much free.
type capacity struct {
	numbers map[string]int // of the kinds beside memory and cpu
	names   []string
	ladders []ladder // by kind
}

// ladder is what was asked for of one kind, in rising order.
type ladder struct {
	rungs []int64
	sets  []bitset // the live machines with at least that much free
}

// maxRungs bounds what amounts that no two units share may cost: beyond it the
// ladder is made anew of what is asked for then.
const maxRungs = 512

func newCapacity() capacity {
	return capacity{numbers: map[string]int{}, names: []string{"memory", "cpu"}, ladders: make([]ladder, firstOther)}
}

// kind is the number of a kind that is neither memory nor cpu.
func (c *capacity) kind(name string) int {
	number, known := c.numbers[name]
	if !known {
		number = len(c.names)
		c.numbers[name] = number
		c.names = append(c.names, name)
		c.ladders = append(c.ladders, ladder{})
	}
	return number
}

// amounts is a reservation by kind; what is not reserved is not in it.
func (c *capacity) amounts(r unitfile.Reserve) []amount {
	var room []amount
	if r.MemoryBytes > 0 {
		room = append(room, amount{memory, r.MemoryBytes})
	}
	if r.CPUMilli > 0 {
		room = append(room, amount{cpu, r.CPUMilli})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Other)) {
		room = append(room, amount{c.kind(name), r.Other[name]})
	}
	return room
}

// enter takes in a live machine, with what its record says that it has.
func (c *capacity) enter(m *machine) {
	has := m.record.Capacity
	clear(m.has)
	m.grow(firstOther)
	m.has[memory], m.has[cpu] = max(has.MemoryBytes, 0), 1000*int64(max(has.CPUs, 0))
	for name, n := range has.Other {
		kind := c.kind(name)
		m.grow(kind + 1)
		m.has[kind] = max(n, 0)
	}
	for kind, l := range c.ladders {
		for i, rung := range l.rungs {
			if m.free(kind) < rung {
				break
			}
			l.sets[i].set(m.number)
		}
	}
}

// leave takes a machine out of the sets.
func (c *capacity) leave(m *machine) {
	for _, l := range c.ladders {
		for _, set := range l.sets {
			set.clear(m.number)
		}
	}
}

// use counts what a unit that comes to a machine takes, or with a negative n gives back.
func (c *capacity) use(m *machine, a amount) {
	m.grow(a.kind + 1)
	before := m.free(a.kind)
	m.used[a.kind] += a.n
	if !m.live() {
		return
	}
	l, after := &c.ladders[a.kind], m.free(a.kind)
	for i := l.above(min(before, after)); i < len(l.rungs) && l.rungs[i] <= max(before, after); i++ {
		if after > before {
			l.sets[i].set(m.number)
		} else {
			l.sets[i].clear(m.number)
		}
	}
}

// above is where the rungs begin that are higher than n.
func (l *ladder) above(n int64) int {
	at, found := slices.BinarySearch(l.rungs, n)
	if found {
		at++
	}
	return at
}

// withFree returns the live machines that have that much free, to be read only.
func (ms *machines) withFree(a amount) bitset {
	l := &ms.capacity.ladders[a.kind]
	at, found := slices.BinarySearch(l.rungs, a.n)
	if found {
		return l.sets[at]
	}
	if len(l.rungs) == maxRungs {
		*l, at = ladder{}, 0
	}
	var set bitset
	for number := range ms.live.all {
		if ms.ordered[number].free(a.kind) >= a.n {
			set.set(number)
		}
	}
	l.rungs, l.sets = slices.Insert(l.rungs, at, a.n), slices.Insert(l.sets, at, set)
	return set
}

// grow makes a machine count kinds below that number.
func (m *machine) grow(kinds int) {
	for len(m.has) < kinds {
		m.has, m.used = append(m.has, 0), append(m.used, 0)
	}
}

// free is what nothing placed on the machine, or on its way there or off it,
// has reserved; less than nothing where the machine has shrunk.
func (m *machine) free(kind int) int64 {
	if kind >= len(m.has) {
		return 0
	}
	return m.has[kind] - m.used[kind]
}

// roomFor says whether all of it is free.
func (m *machine) roomFor(room []amount) bool {
	return !slices.ContainsFunc(room, func(a amount) bool { return m.free(a.kind) < a.n })
}

// gives says whether a record offers what the machine's last one did.
func (m *machine) gives(fact cluster.Machine) bool {
	was, is := m.record.Capacity, fact.Capacity
	return was.CPUs == is.CPUs && was.MemoryBytes == is.MemoryBytes && maps.Equal(was.Other, is.Other) &&
		m.record.Versions[podman] == fact.Versions[podman]
}

// occupy counts what a unit with its present text takes of a machine that it is
// placed on.
func (p *Picture) occupy(u *unit, m *machine) {
	if u.needs == nil {
		return
	}
	for _, a := range u.needs.room {
		p.machines.capacity.use(m, a)
	}
}

// vacate gives it back; what waits for room may have it.
func (p *Picture) vacate(u *unit, m *machine) {
	if u.needs != nil && len(u.needs.room) > 0 {
		p.giveBack(u, m)
		p.openLines(m)
	}
}

// giveBack counts it no more.
func (p *Picture) giveBack(u *unit, m *machine) {
	if u.needs == nil {
		return
	}
	for _, a := range u.needs.room {
		p.machines.capacity.use(m, amount{a.kind, -a.n})
	}
}

// outgrown says of a placement that is to be renewed with another text what its
// machine lacks for it, or nothing. What is placed there by its present text
// stands before it, then what is older. Tight says that there will be room, once
// what must give way has.
//
// A machine that has shrunk keeps what it has; only a new text must fit.
func (p *Picture) outgrown(s *slot) (lacks string, tight bool) {
	if !s.outdated() {
		return "", false
	}
	for _, a := range s.unit.needs.room {
		free := s.machine.free(a.kind) // s itself counts in it
		if free >= 0 {
			continue
		}
		left := s.machine.has[a.kind]
		for _, other := range s.machine.slots {
			if other != s && other.pending != ending && other.unit.wanted() && before(other, s) {
				left -= other.unit.takes(a.kind)
			}
		}
		if left < a.n {
			return p.tooLittle(a, left), false
		}
		tight = true
	}
	return "", tight
}

// outdated says that the placement's text is another than its unit's, and that no
// renewal is on its way.
func (s *slot) outdated() bool { return s.hash != s.unit.hash && s.pending != placing }

// before says whether a placement's claim on its machine's room comes before another's.
func before(a, b *slot) bool {
	if a.outdated() != b.outdated() {
		return !a.outdated()
	}
	return compareAge(a, b) < 0
}

// takes is what a unit reserves of one kind.
func (u *unit) takes(kind int) int64 {
	if u.needs != nil {
		for _, a := range u.needs.room {
			if a.kind == kind {
				return a.n
			}
		}
	}
	return 0
}

// words is an amount as people say it, and what it is of.
func (p *Picture) words(a amount) string {
	switch a.kind {
	case memory:
		return number(a) + " of memory"
	case cpu:
		return number(a) + " CPUs"
	}
	return number(a) + " " + p.machines.capacity.names[a.kind]
}

// number is an amount as people say it.
func number(a amount) string {
	switch a.kind {
	case memory:
		return bytesInWords(a.n)
	case cpu:
		return strconv.FormatFloat(float64(a.n)/1000, 'f', -1, 64)
	}
	return strconv.FormatInt(a.n, 10)
}

// bytesInWords is a size in the largest unit that it has one of, or in the next
// where only that says it with one digit behind the point; else rounded down, so
// that what is called free is.
func bytesInWords(n int64) string {
	for power := 4; power > 0; power-- {
		unit := int64(1) << (10 * power)
		if n < unit {
			continue
		}
		if smaller := unit >> 10; n*10%unit != 0 && power > 1 && n*10%smaller == 0 {
			power, unit = power-1, smaller
		}
		tenths := math.Floor(float64(n) / float64(unit) * 10)
		return strconv.FormatFloat(tenths/10, 'f', -1, 64) + " " + []string{"", "KiB", "MiB", "GiB", "TiB"}[power]
	}
	return fmt.Sprintf("%d bytes", n)
}
