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
	ring    circle // everybody
	probing circle // those of the ring that probe
	workers circle // those of them that are no members
	at      map[cluster.MachineID]*chair
	// changed are the machines whose duties may have changed since they were taken.
	changed map[cluster.MachineID]bool
}

type chair struct {
	Seat
	hash uint64
}

// circle is chairs in the order of the ring. That those which can probe have circles
// of their own makes finding a machine's probers as cheap where few of many can.
type circle []*chair

// seat is where a chair stands in the circle, or would.
func (s circle) seat(c *chair) int {
	i, _ := slices.BinarySearchFunc(s, c, byPlace)
	return i
}

func (s circle) with(c *chair) circle { return slices.Insert(s, s.seat(c), c) }

func (s circle) without(c *chair) circle {
	i := s.seat(c)
	return slices.Delete(s, i, i+1)
}

// next adds to found the chairs of the circle that follow c, until there are most.
func (s circle) next(c *chair, found []*chair, most int) []*chair {
	start := s.seat(c)
	for ahead := 0; ahead < len(s) && len(found) < most; ahead++ {
		if other := s[(start+ahead)%len(s)]; other != c {
			found = append(found, other)
		}
	}
	return found
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
	r.note(c)
	r.ring = r.ring.with(c)
	if c.Probes {
		r.probing = r.probing.with(c)
	}
	if c.worker() {
		r.workers = r.workers.with(c)
	}
	r.at[seat.Machine] = c
	r.changed[seat.Machine] = true
	r.note(c)
}

// Leave takes a machine out.
func (r *Rota) Leave(id cluster.MachineID) {
	c := r.at[id]
	if c == nil {
		return
	}
	r.note(c)
	r.ring = r.ring.without(c)
	if c.Probes {
		r.probing = r.probing.without(c)
	}
	if c.worker() {
		r.workers = r.workers.without(c)
	}
	delete(r.at, id)
	r.changed[id] = true
	r.note(c)
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

// note marks those who probe c or machines that c might probe. It is called before c
// comes or goes, and after.
func (r *Rota) note(c *chair) {
	affected := r.before(c)
	if r.at[c.Machine] == c {
		affected = append(affected, c)
	}
	for _, target := range affected {
		for _, prober := range r.probersOf(target) {
			r.changed[prober.Machine] = true
		}
	}
}

// before is who sits so shortly before c in the ring, or before where c would sit,
// that c may be one of their probers: where it probes, fewer than three others that do
// lie between, or, as c is a worker, no other worker.
func (r *Rota) before(c *chair) []*chair {
	if !c.Probes {
		return nil
	}
	var found []*chair
	i := r.ring.seat(c)
	between, workers := 0, 0
	for back := 1; back <= len(r.ring); back++ {
		other := r.ring[(i-back+len(r.ring))%len(r.ring)]
		if other == c {
			break // once around
		}
		found = append(found, other)
		if other.Probes {
			between++
		}
		if other.worker() {
			workers++
		}
		if between >= probers && (workers > 0 || !c.worker()) {
			break
		}
	}
	return found
}

// probersOf is who probes a machine that sits in the ring: the next three that can,
// and in the last one's stead the next worker, where none of them is one.
func (r *Rota) probersOf(target *chair) []*chair {
	picked := r.probing.next(target, make([]*chair, 0, probers), probers)
	if len(picked) == probers && !slices.ContainsFunc(picked, (*chair).worker) {
		copy(picked[probers-1:], r.workers.next(target, nil, 1)) // there may be none
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
	for _, candidate := range r.before(c) {
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
