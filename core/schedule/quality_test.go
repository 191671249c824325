package schedule_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// instances is how many clusters TestQuality draws.
const instances = 1000

// TestQuality compares what the scheduler places of units that all come at once,
// without moving any, with the most that could be placed by one who knows them all
// and tries every way. Over all instances it is at least 98 %, instances of one
// template are spread evenly, and no unit waits that fits somewhere as things are.
//
// By the order of their names alone 96.6 % is placed; with the choosiest first
// 97.2 %, with a machine chosen for a unit and its followers together 97.7 %, with
// what this plan has placed thought over 98.1 %. Each of them left out fails, and
// so do the most loaded machine taken instead of the least, and Spread= ignored.
func TestQuality(t *testing.T) {
	placed, possible, short := 0, 0, 0
	for seed := range uint64(instances) {
		q := drawQuality(seed)
		p := schedule.New()
		if _, err := q.settle(p); err != nil {
			t.Fatalf("instance %d: %v", seed, err)
		}
		for _, wrong := range q.atRest() {
			t.Errorf("instance %d: %s", seed, wrong)
		}
		if skew := q.skew(); skew > 1 {
			t.Errorf("instance %d: one region has %d instances more than another:\n%s", seed, skew, q)
		}
		did, could := len(q.placements), q.most()
		placed, possible = placed+did, possible+could
		if did < could {
			short++
			t.Logf("instance %d: %d of %d:\n%s", seed, did, could, q)
		}
	}
	t.Logf("placed %d of %d, all that was possible in %d instances of %d", placed, possible, instances-short, instances)
	if placed*100 < possible*98 {
		t.Errorf("placed %d of the %d units that could be: less than 98 %%", placed, possible)
	}
}

// quality is one small cluster with units that want to be placed.
type quality struct {
	judge
	names []cluster.UnitName
	on    []cluster.MachineID
}

func (q *quality) String() string {
	said := ""
	for _, id := range q.on {
		m := q.machines[id]
		said += fmt.Sprintf("machine %s memory=%dG gpu=%d %v\n", m.Name, m.Capacity.MemoryBytes>>30, m.Capacity.Other["gpu"], m.Metadata)
	}
	for _, name := range q.names {
		said += fmt.Sprintf("unit %s on %v:\n%s", name, q.places(name), q.wish(name).text())
	}
	return said
}

func (q *quality) places(name cluster.UnitName) (names []string) {
	for _, id := range q.judge.on(name, true) {
		names = append(names, q.machines[id].Name)
	}
	return names
}

// drawQuality draws a cluster of up to 5 machines and 12 units.
func drawQuality(seed uint64) *quality {
	r := rand.New(rand.NewPCG(seed, 5))
	q := &quality{judge: judge{world: newWorld(), wishes: map[cluster.Hash]wish{}}}
	for i := range 1 + r.IntN(5) {
		name := fmt.Sprintf("core-%02d", i+1)
		q.machine(name, map[string]string{
			"region": pick(r, "x", "y"), "disk": pick(r, "x", "y"),
			"memory": pick(r, "2G", "4G", "8G"), "gpu": pick(r, "0", "1", "2"),
		})
		q.on = append(q.on, machineID(name))
	}
	for i := range 1 + r.IntN(12) {
		name := cluster.UnitName(fmt.Sprintf("%s%d.service", pick(r, "a", "b", "w@", "v@", "s@"), i))
		w := q.drawNeeds(r, name)
		q.wishes[cluster.HashOf(w.text())] = w
		q.unit(name, cluster.Launched, w.text())
		q.names = append(q.names, name)
	}
	slices.Sort(q.names)
	return q
}

func pick(r *rand.Rand, values ...string) string { return values[r.IntN(len(values))] }

// drawNeeds draws what a unit asks for. The instances of s@ ask for an even spread
// and nothing else, and nobody follows them.
func (q *quality) drawNeeds(r *rand.Rand, name cluster.UnitName) (w wish) {
	if name[0] == 's' {
		w.spread = []string{"region"}
		return w
	}
	if r.IntN(2) == 0 {
		w.memory = int64(1 + r.IntN(4))
	}
	if r.IntN(6) == 0 {
		w.gpus = int64(1 + r.IntN(2))
	}
	if r.IntN(4) == 0 {
		w.metadata = map[string]string{pick(r, "region", "disk"): pick(r, "x", "y")}
	}
	switch {
	case r.IntN(5) == 0:
		w.conflicts = []string{pick(r, "w@*.service", "a*.service", "[ab]*.service", "v@*.service")}
	case r.IntN(6) == 0 && len(q.names) > 0:
		if peer := q.names[r.IntN(len(q.names))]; peer[0] != 's' {
			w.peers, w.metadata = []string{string(peer)}, nil
		}
	case r.IntN(8) == 0:
		w.machine = string(q.on[r.IntN(len(q.on))][:8])
		w.metadata = nil
	}
	if name[1] == '@' && r.IntN(3) == 0 {
		w.most = 1 + r.IntN(2)
	}
	return w
}

// skew is by how many instances of s@ a region has more than another.
func (q *quality) skew() int {
	counts := map[string]int{}
	for _, id := range q.on {
		counts[q.metadata(id, "region")] += 0
	}
	for at := range q.placements {
		if at.unit[0] == 's' {
			counts[q.metadata(at.machine, "region")]++
		}
	}
	all := slices.Sorted(maps.Values(counts))
	return all[len(all)-1] - all[0]
}

// most is how many units can be placed at best: it tries all ways that might beat
// what it has found, beginning with what was done.
func (q *quality) most() int {
	s := search{q: q, at: make([]int, len(q.names)), best: len(q.placements), free: make([][2]int64, len(q.on))}
	for i, id := range q.on {
		m := q.machines[id]
		s.free[i] = [2]int64{m.Capacity.MemoryBytes >> 30, m.Capacity.Other["gpu"]}
	}
	for i := range s.at {
		s.at[i] = undecided
	}
	for _, name := range q.names {
		s.wishes = append(s.wishes, q.wish(name))
	}
	s.try(0, 0)
	return s.best
}

const (
	nowhere   = -1
	undecided = -2
)

// search places the units one after another in every way.
type search struct {
	q      *quality
	wishes []wish
	at     []int // machine of each unit
	free   [][2]int64
	best   int
}

func (s *search) try(next, placed int) {
	if placed+len(s.at)-next <= s.best {
		return
	}
	if next == len(s.at) {
		s.best = placed
		return
	}
	w := s.wishes[next]
	for m := range s.free {
		if !s.fits(next, m) {
			continue
		}
		s.at[next] = m
		s.free[m][0], s.free[m][1] = s.free[m][0]-w.memory, s.free[m][1]-w.gpus
		s.try(next+1, placed+1)
		s.free[m][0], s.free[m][1] = s.free[m][0]+w.memory, s.free[m][1]+w.gpus
	}
	s.at[next] = nowhere
	if s.nobodyFollows(next) {
		s.try(next+1, placed)
	}
	s.at[next] = undecided
}

// fits says whether a unit may be on a machine beside those that were decided.
func (s *search) fits(unit, m int) bool {
	w, name, id := s.wishes[unit], s.q.names[unit], s.q.on[m]
	if s.free[m][0] < w.memory || s.free[m][1] < w.gpus || w.machine != "" && string(id[:8]) != w.machine {
		return false
	}
	for key, value := range w.metadata {
		if s.q.metadata(id, key) != value {
			return false
		}
	}
	siblings, most := 1, limit(w)
	for other, at := range s.at {
		if other == unit || at == undecided {
			continue
		}
		theirs, with := s.wishes[other], at == m
		if !with && (slices.Contains(w.peers, string(s.q.names[other])) || at != nowhere && slices.Contains(theirs.peers, string(name))) {
			return false
		}
		if !with {
			continue
		}
		if matchesAny(w.conflicts, s.q.names[other]) || matchesAny(theirs.conflicts, name) {
			return false
		}
		if sameTemplate(name, s.q.names[other]) {
			siblings, most = siblings+1, min(most, limit(theirs))
		}
	}
	return siblings <= most
}

func limit(w wish) int {
	if w.most == 0 {
		return len(machineNames) * 12
	}
	return w.most
}

// nobodyFollows says that no unit that was placed must be where this one is.
func (s *search) nobodyFollows(unit int) bool {
	for other, at := range s.at {
		if at >= 0 && slices.Contains(s.wishes[other].peers, string(s.q.names[unit])) {
			return false
		}
	}
	return true
}
