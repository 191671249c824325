package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Load draws what operators ask for: the same sequence from the same seed.
type Load struct {
	random *rand.Rand
	units  []Unit
	wanted map[string]Wanted // by name, as last asked for
	next   int               // of units that are still to be started
	newest map[string]int    // version of each unit
}

// Kinds of units that a round has, with prefix before their names so that one
// round's units are not another's.
func Units(prefix string) []Unit {
	instance := func(template string, i int) string { return fmt.Sprintf("%s-%s@%d.service", prefix, template, i) }
	var units []Unit
	for i := 1; i <= 6; i++ {
		units = append(units, Unit{Name: instance("calm", i), Calm: true}, Unit{Name: instance("busy", i)})
	}
	for i := 1; i <= 3; i++ {
		units = append(units,
			Unit{Name: instance("rival", i), Conflicts: prefix + "-rival@*.service", Calm: i == 1},
			Unit{Name: instance("mate", i), MachineOf: instance("calm", i), Calm: i == 1},
			Unit{Name: instance("few", i), MaxPerMachine: 2, Calm: i == 1},
			Unit{Name: instance("once", i), Once: true, Calm: i == 1},
			Unit{Name: instance("alone", i), Fenced: true, Calm: i < 3})
	}
	return append(units, Unit{Name: prefix + "-each.service", Global: true, Calm: true})
}

// NewLoad begins with all units to be started, in their order.
func NewLoad(seed uint64, units []Unit) *Load {
	return &Load{random: rand.New(rand.NewPCG(seed, 0x10ad)), units: units, wanted: map[string]Wanted{}, newest: map[string]int{}}
}

// Next is what the operator asks for next: first each unit's start, then any
// change of one that is not calm.
func (l *Load) Next() Request {
	if l.next < len(l.units) {
		l.next++
		return l.ask(l.units[l.next-1].Name, "launched", true)
	}
	u := l.units[l.random.IntN(len(l.units))]
	for u.Calm {
		u = l.units[l.random.IntN(len(l.units))]
	}
	switch now := l.wanted[u.Name]; {
	case now.Desired == "launched":
		switch l.random.IntN(4) {
		case 0:
			return l.ask(u.Name, "", false)
		case 1:
			return l.ask(u.Name, "launched", true)
		case 2:
			return l.ask(u.Name, "loaded", false)
		}
		return l.ask(u.Name, "inactive", false)
	case now.Desired == "":
		return l.ask(u.Name, "launched", true)
	default:
		return l.ask(u.Name, "launched", l.random.IntN(2) == 0)
	}
}

// Begun says whether every unit has been asked for once.
func (l *Load) Begun() bool { return l.next == len(l.units) }

func (l *Load) ask(unit, desired string, newer bool) Request {
	w := Wanted{Desired: desired}
	if desired != "" {
		if newer || l.newest[unit] == 0 {
			l.newest[unit]++
		}
		w.Version = l.newest[unit]
	}
	l.wanted[unit] = w
	return Request{Unit: unit, Wanted: w}
}

// Text is a unit's file in one of its versions.
func (u Unit) Text(version int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[Service]\nSyslogIdentifier=witness\nStandardError=null\nTimeoutStopSec=5\nExecStart=/usr/local/bin/witness %%n %d", version)
	if u.Once {
		b.WriteString(" 0.3\nType=oneshot")
	}
	b.WriteString("\n\n[X-Fleet]\n")
	if u.Global {
		b.WriteString("Global=true\n")
	}
	if u.Fenced {
		b.WriteString("OnPartition=stop\n")
	}
	if u.Conflicts != "" {
		fmt.Fprintf(&b, "Conflicts=%s\n", u.Conflicts)
	}
	if u.MachineOf != "" {
		fmt.Fprintf(&b, "MachineOf=%s\n", u.MachineOf)
	}
	if u.MaxPerMachine > 0 {
		fmt.Fprintf(&b, "MaxPerMachine=%d\n", u.MaxPerMachine)
	}
	return b.String()
}

// VersionOf reads the version back from a unit's text; 0 if it has none.
func VersionOf(text string) (version int) {
	_, rest, _ := strings.Cut(text, "witness %n ")
	_, _ = fmt.Sscanf(rest, "%d", &version) // what is no number leaves 0
	return version
}
