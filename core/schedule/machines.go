package schedule

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// machine is one machine as the leader sees it. It is kept after its record has
// gone for as long as units are placed on it or it has labels.
type machine struct {
	id       cluster.MachineID
	name     string
	revision int64             // of its record; 0 while it has none: lost, or never seen
	record   cluster.Machine   // as it was told last
	labels   cluster.Labels    // what operators say of it; outlives the record
	metadata map[string]string // the record's own, and the labels over it
	number   int               // its bit in every set; machines are numbered in the order of their ids
	moves    []*unit           // that were to be placed elsewhere since it is gone
	slots    []*slot           // what is placed on it, in no order
	has      []int64           // what it has to give, by kind
	used     []int64           // what of it is reserved, as long as has

	gone    time.Time // since when it is known to have no record; zero while it has one
	alarm   time.Time // when what it concerns is looked at again; zero for never
	seen    bool      // it was there, in what this picture has learned
	missed  bool      // in Picture.losses
	missing bool      // in storm.missing
}

func (m *machine) live() bool { return m.revision > 0 }

// title is the name that a person knows the machine by.
func (m *machine) title() string {
	if m.name != "" {
		return m.name
	}
	return m.id.Short()
}

// lacks says which of the wanted metadata the machine does not have, or has though
// it should not.
func (m *machine) lacks(wanted []unitfile.Metadata) string {
	var lacking []string
	for _, want := range wanted {
		switch {
		case want.Met(m.metadata):
		case want.Not:
			lacking = append(lacking, "has "+want.Key+"="+m.metadata[want.Key])
		default:
			lacking = append(lacking, "lacks "+want.String())
		}
	}
	return strings.Join(lacking, " and ")
}

// machines indexes all machines: by id, by metadata, by what is free and by load.
type machines struct {
	byID    map[cluster.MachineID]*machine
	ordered []*machine // by id: a machine's number is its place here
	live    bitset
	lives   int
	labels  map[string]map[string]bitset // metadata key, value: the live machines that have it
	joined  []string                     // the labels that are of several keys, see compose
	podmans map[string]bitset            // the live machines with at least that Podman
	levels  levels
	any     bitset            // scratch of having
	others  map[numbered]bool // sets that are kept elsewhere
	sweepAt int               // how many machines there are when those are looked for that may be forgotten

	capacity  capacity
	labelling int // grows with every change of labels
}

func newMachines() machines {
	return machines{byID: map[cluster.MachineID]*machine{}, labels: map[string]map[string]bitset{},
		podmans: map[string]bitset{}, others: map[numbered]bool{}, capacity: newCapacity()}
}

func compareID(m *machine, id cluster.MachineID) int { return cmp.Compare(m.id, id) }

// enter takes a live machine into the sets.
func (ms *machines) enter(m *machine) {
	ms.live.set(m.number)
	ms.lives++
	ms.levels.enter(m)
	for key, value := range m.metadata {
		ms.labelled(key, value, m)
	}
	for _, label := range ms.joined {
		ms.enterLabel(m, label)
	}
	for least, set := range ms.podmans {
		if m.hasPodman(least) {
			set.set(m.number)
			ms.podmans[least] = set
		}
	}
	ms.capacity.enter(m)
	ms.labelling++
}

// labelled takes a machine in under one value of one label.
func (ms *machines) labelled(key, value string, m *machine) {
	values := ms.labels[key]
	if values == nil {
		values = map[string]bitset{}
		ms.labels[key] = values
	}
	set := values[value]
	set.set(m.number)
	values[value] = set
}

// leave takes a machine out of the sets; its metadata must be as at enter.
func (ms *machines) leave(m *machine) {
	ms.live.clear(m.number)
	ms.lives--
	ms.levels.leave(m)
	for key, value := range m.metadata {
		ms.labels[key][value].clear(m.number)
	}
	for _, label := range ms.joined {
		if value, has := m.label(label); has {
			ms.labels[label][value].clear(m.number)
		}
	}
	for _, set := range ms.podmans {
		set.clear(m.number)
	}
	ms.capacity.leave(m)
	ms.labelling++
}

// named returns the machines that a MachineID= means: a whole id or its first
// characters.
func (ms *machines) named(id string) []*machine {
	from, _ := slices.BinarySearchFunc(ms.ordered, cluster.MachineID(id), compareID)
	to := from
	for to < len(ms.ordered) && strings.HasPrefix(string(ms.ordered[to].id), id) {
		to++
	}
	return ms.ordered[from:to]
}

// having returns the live machines that have the wanted metadata. The set is to
// be read only, and until the next call.
func (ms *machines) having(want unitfile.Metadata) bitset {
	values := ms.labels[want.Key]
	if want.Not {
		ms.any = append(ms.any[:0], ms.live...)
		for _, value := range want.Values {
			ms.any.subtract(values[value])
		}
		return ms.any
	}
	if len(want.Values) == 1 {
		return values[want.Values[0]]
	}
	ms.any = ms.any[:0]
	for _, value := range want.Values {
		ms.any.unite(values[value])
	}
	return ms.any
}

// levels sorts the live machines by how many placements they hold, so that the
// least loaded is found without looking at the others.
type levels struct {
	sets   []level // by number of placements
	lowest int     // no level below it holds a machine
}

type level struct {
	machines bitset
	count    int
}

func (l *levels) enter(m *machine) {
	load := len(m.slots)
	for len(l.sets) <= load {
		l.sets = append(l.sets, level{})
	}
	l.sets[load].machines.set(m.number)
	l.sets[load].count++
	l.lowest = min(l.lowest, load)
}

// leave must be called before m's placements change.
func (l *levels) leave(m *machine) {
	at := &l.sets[len(m.slots)]
	at.machines.clear(m.number)
	if at.count--; at.count == 0 {
		at.machines = nil // a level that the cluster has grown out of costs nothing
	}
}

// least returns the number of the least loaded machine of a set, the lowest
// number among equals, or -1 where the set holds no live machine.
func (l *levels) least(of bitset) int {
	for l.lowest < len(l.sets) && l.sets[l.lowest].count == 0 {
		l.lowest++
	}
	for load := l.lowest; load < len(l.sets); load++ {
		if l.sets[load].count == 0 {
			continue
		}
		if number := l.sets[load].machines.firstIn(of); number >= 0 {
			return number
		}
	}
	return -1
}
