package detect

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"

	"argosy/core/cluster"
)

// Seat is a machine in a Rota.
type Seat struct {
	Machine cluster.MachineID
	Name    string
	Address string
	Member  bool
	Probes  bool // else it is only probed
}

// Rota says who probes whom. The machines sit in a ring, in the order of their ids'
// hashes, and the three after each in the ring probe it: those are spread over the
// cluster, each machine has three to probe, and one that comes or goes changes the
// duties of its neighbours alone. Where there are machines that are no members, one
// of the three is: what cuts the members off must not make them judges of the rest.
type Rota struct {
	ring    []*chair
	at      map[cluster.MachineID]*chair
	workers int // seats that probe and are no members
	// changed are the machines whose duties may have changed since they were taken.
	changed map[cluster.MachineID]bool
}

type chair struct {
	Seat
	hash uint64
}

// NewRota returns one with no machines.
func NewRota() *Rota {
	return &Rota{at: map[cluster.MachineID]*chair{}, changed: map[cluster.MachineID]bool{}}
}

// Sit takes a machine in, or what has changed of it.
func (r *Rota) Sit(seat Seat) {
	old := r.at[seat.Machine]
	if old != nil && old.Seat == seat {
		return
	}
	if old != nil {
		r.Leave(seat.Machine)
	}
	c := &chair{Seat: seat, hash: place(seat.Machine)}
	i, _ := slices.BinarySearchFunc(r.ring, c, byPlace)
	r.note(i, nil)
	r.ring = slices.Insert(r.ring, i, c)
	r.at[seat.Machine] = c
	if c.worker() {
		r.workers++
	}
	r.note(i, c)
}

// Leave takes a machine out.
func (r *Rota) Leave(id cluster.MachineID) {
	c := r.at[id]
	if c == nil {
		return
	}
	i, _ := slices.BinarySearchFunc(r.ring, c, byPlace)
	r.note(i, c)
	r.ring = slices.Delete(r.ring, i, i+1)
	delete(r.at, id)
	if c.worker() {
		r.workers--
	}
	r.note(i, nil)
	r.changed[id] = true
}

func (c *chair) worker() bool { return c.Probes && !c.Member }

// place spreads ids over the ring.
func place(id cluster.MachineID) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // it never fails
	x := h.Sum64()
	x ^= x >> 32 // FNV's high bits hardly feel the last characters
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}

func byPlace(a, b *chair) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.Machine, b.Machine))
}

// note marks those who probe machines that the chair at i, or one before i, might
// probe.
func (r *Rota) note(i int, at *chair) {
	affected := r.before(i, at)
	if at != nil {
		affected = append(affected, at)
		r.changed[at.Machine] = true
	}
	for _, target := range affected {
		for _, prober := range r.probersOf(target) {
			r.changed[prober.Machine] = true
		}
	}
}

// before is who sits so shortly before i in the ring that the chair there, at, may
// be one of their probers: fewer than three others that probe lie between, or no
// worker. Where at is nil, no chair is there now.
func (r *Rota) before(i int, at *chair) []*chair {
	var found []*chair
	between, worker := 0, false
	for back := 1; back <= len(r.ring); back++ {
		c := r.ring[(i-back+len(r.ring))%len(r.ring)]
		if c == at {
			break // once around
		}
		found = append(found, c)
		if c.Probes {
			between++
			worker = worker || c.worker()
		}
		if between >= probers && worker {
			break
		}
	}
	return found
}

// probersOf is who probes a machine that sits in the ring.
func (r *Rota) probersOf(target *chair) []*chair {
	others := r.workers
	if target.worker() {
		others--
	}
	start, _ := slices.BinarySearchFunc(r.ring, target, byPlace)
	picked := make([]*chair, 0, probers)
	worker := others == 0 // none is missed
	for ahead := 1; ahead < len(r.ring); ahead++ {
		c := r.ring[(start+ahead)%len(r.ring)]
		switch {
		case !c.Probes:
		case len(picked) < probers:
			picked = append(picked, c)
			worker = worker || c.worker()
		case c.worker():
			picked[probers-1], worker = c, true
		}
		if len(picked) == probers && worker {
			break
		}
	}
	return picked
}

// TakeChanged is the machines whose duties may have changed since the last call, in
// the order of their ids.
func (r *Rota) TakeChanged() []cluster.MachineID {
	all := slices.Sorted(maps.Keys(r.changed))
	clear(r.changed)
	return all
}

// Probers is who probes a machine; nobody, where it is not in the rota.
func (r *Rota) Probers(id cluster.MachineID) []cluster.MachineID {
	target := r.at[id]
	if target == nil {
		return nil
	}
	var ids []cluster.MachineID
	for _, c := range r.probersOf(target) {
		ids = append(ids, c.Machine)
	}
	return ids
}

// Probes is whom a machine probes.
func (r *Rota) Probes(id cluster.MachineID) cluster.Probes {
	duties := cluster.Probes{Machine: id}
	c := r.at[id]
	if c == nil || !c.Probes {
		return duties
	}
	i, _ := slices.BinarySearchFunc(r.ring, c, byPlace)
	for _, candidate := range r.before(i, c) {
		with := r.probersOf(candidate)
		if !slices.Contains(with, c) {
			continue
		}
		target := cluster.Target{Machine: candidate.Machine, Name: candidate.Name, Address: candidate.Address}
		for _, other := range with {
			if other != c {
				target.Others = append(target.Others, cluster.Peer{Machine: other.Machine, Address: other.Address})
			}
		}
		duties.Targets = append(duties.Targets, target)
	}
	slices.SortFunc(duties.Targets, func(a, b cluster.Target) int { return cmp.Compare(a.Machine, b.Machine) })
	return duties
}
