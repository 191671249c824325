package schedule

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"argosy/core/unitfile"
)

// line is the units that wait for the same thing to come free on a machine: for
// as much room on machines of the same metadata, or for an instance of the same
// template to leave. When it does, Plan tries them by name for as long as there
// is some left, and looks at none of the others.
type line struct {
	key      string // begins with the rank of the priority
	priority int
	room     []amount // what each of them takes; nil in a family's line
	members  ordered
	open     []*machine // where something has come free since all members were tried
	tried    string     // up to and with this name
	listed   bool       // in Picture.openedLines
}

// fewMachines is how many machines a waiting unit is tried on one by one; where
// more have come free at once it is cheaper to decide anew.
const fewMachines = 8

// stand has a waiting unit tried again when what it waits for may have come free.
func (p *Picture) stand(u *unit) {
	if n := u.needs; len(n.room) > 0 {
		if n.line == nil {
			n.line = p.roomLine(n)
		}
		p.lines[n.line.key] = n.line
		n.line.members.insert(u)
	}
	if u.family != nil {
		u.family.line(u.priority()).members.insert(u)
	}
}

func (p *Picture) roomLine(n *needs) *line {
	key := fmt.Sprintf("%s room %v on %q %q %s", rank(n.Priority), n.room, n.MachineID, n.Metadata, n.Podman)
	if l := p.lines[key]; l != nil {
		return l
	}
	return &line{key: key, priority: n.Priority, room: n.room}
}

// rank sorts higher priorities first.
func rank(priority int) string { return fmt.Sprintf("%04d", unitfile.MaxPriority-priority) }

// unstand takes back stand.
func (p *Picture) unstand(u *unit) {
	if u.needs == nil {
		return
	}
	if l := u.needs.line; l != nil {
		l.members.remove(u)
		if len(l.members.blocks) == 0 && p.lines[l.key] == l {
			delete(p.lines, l.key)
			p.closeLine(l)
		}
	}
	if u.family != nil {
		u.family.line(u.priority()).members.remove(u)
	}
}

// openLines has those tried that wait for room such as a machine has now.
func (p *Picture) openLines(m *machine) {
	if !m.live() {
		return
	}
	for _, l := range p.lines {
		if m.roomFor(l.room) && p.suits(l.first().needs, m) {
			p.openLine(l, m)
		}
	}
}

// openLine has the members of a line tried on a machine, from the first.
func (p *Picture) openLine(l *line, m *machine) {
	if l.first() == nil {
		return
	}
	l.tried = ""
	if !slices.Contains(l.open[max(0, len(l.open)-fewMachines):], m) {
		l.open = append(l.open, m)
	}
	if !l.listed {
		l.listed = true
		at, _ := slices.BinarySearchFunc(p.openedLines, l.key, func(l *line, key string) int { return strings.Compare(l.key, key) })
		p.openedLines = slices.Insert(p.openedLines, at, l)
	}
}

func (p *Picture) closeLine(l *line) {
	l.open, l.tried = nil, ""
	if l.listed {
		l.listed = false
		p.openedLines = without(p.openedLines, l)
	}
}

func (l *line) first() *unit {
	if len(l.members.blocks) == 0 {
		return nil
	}
	return l.members.blocks[0][0]
}

// nextWaiting returns a unit that may be placed now that something has come free,
// or nil.
func (p *Picture) nextWaiting() *unit {
	for len(p.openedLines) > 0 {
		l := p.openedLines[0]
		if u := p.nextIn(l); u != nil {
			l.tried = string(u.name)
			return u
		}
		p.closeLine(l)
	}
	return nil
}

func (p *Picture) nextIn(l *line) *unit {
	for len(l.open) > 0 && !l.open[len(l.open)-1].roomFor(l.room) {
		l.open = l.open[:len(l.open)-1]
	}
	if len(l.open) == 0 {
		return nil
	}
	for u := range l.members.after(l.tried) {
		switch {
		case u.pending > 0 && !p.isGlobal(u):
			u.again = true
		case len(l.open) > fewMachines || slices.ContainsFunc(l.open, func(m *machine) bool { return p.admits(u, m) }):
			return u
		}
	}
	return nil
}

// suits says whether a machine is what a text asks for, whatever runs on it.
func (p *Picture) suits(n *needs, m *machine) bool {
	return m.live() && p.shunned[m] == nil && m.lacks(n.Metadata) == "" && (n.MachineID == "" || named(m, n.MachineID)) && m.hasPodman(n.Podman)
}

// admits says whether a unit may be placed on a machine as things stand.
func (p *Picture) admits(u *unit, m *machine) bool {
	n := u.needs
	switch {
	case !p.suits(n, m) || u.on(m) != nil || !m.roomFor(n.room) || p.absentPeer(u, m) != "":
		return false
	case u.family != nil && u.family.full(u, m):
		return false
	}
	return !slices.ContainsFunc(u.avoids, func(pat *pattern) bool { return pat.meant.counts[m] > 0 }) &&
		!slices.ContainsFunc(u.avoided, func(pat *pattern) bool { return pat.carried.counts[m] > 0 })
}

// after yields the units whose names come after one, in order.
func (o *ordered) after(name string) iter.Seq[*unit] {
	return func(yield func(*unit) bool) {
		if len(o.blocks) == 0 {
			return
		}
		i := o.block(name)
		at, found := inBlock(o.blocks[i], name)
		if found {
			at++
		}
		for ; i < len(o.blocks); i, at = i+1, 0 {
			for _, u := range o.blocks[i][at:] {
				if !yield(u) {
					return
				}
			}
		}
	}
}
