package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"argosy/core/cluster"
)

// plan is what a seed draws before anything happens.
type plan struct {
	machines  int
	members   int
	names     []cluster.UnitName
	operators int
	pace      time.Duration // the longest pause of an operator
	kinds     []fault       // that may happen; none in a cluster without faults
	wild      bool          // faults may last, and be silences for as long as a fence
	faults    int
	storm     time.Duration // how long operators work and faults happen
	chunk     int           // changes in one transaction of a commit
	confirm   time.Duration // how often the store confirms that nothing has changed
	ttl       time.Duration // of machines' leases
	lost      int           // machines that never come back
	rarely    bool          // units ask for one on every machine
	fenced    int           // of ten names, those whose units are to run once at most
	probing   bool          // machines probe each other
	mixed     bool          // some of them by a version of fleetd that does not
}

// Size is how large a cluster is simulated.
type Size string

const (
	Small Size = "small" // 3 to 15 machines
	Large Size = "large" // 2,000 machines
)

// draw makes a plan. One cluster in eight has no faults, and two in eight have
// only such as the control plane is to hide from every unit.
//
// To probe costs some three times as much as all else: one small cluster in 40 does.
func draw(r *rand.Rand, seed uint64, size Size) plan {
	p := plan{
		machines: 3 + r.IntN(13), operators: 1 + r.IntN(3), pace: time.Duration(1+r.IntN(5)) * time.Second,
		storm: time.Duration(20+r.IntN(60)) * time.Second, chunk: 1 + r.IntN(16), confirm: time.Second, ttl: 10 * time.Second,
		faults: 1 + r.IntN(20), kinds: anyFault,
	}
	count := 3 + r.IntN(20)
	if size == Large {
		p.machines, p.operators, p.pace, p.chunk, p.confirm = 2000, 3, time.Second, 128, 4*time.Second
		p.storm, count, p.faults = 30*time.Second, 2500, 60
	}
	p.members = min(p.machines, []int{1, 3, 5}[r.IntN(3)])
	switch r.IntN(8) {
	case 0:
		p.kinds = nil
	case 1, 2:
		p.kinds = hiddenFaults
	default:
		p.lost, p.wild = r.IntN(2), true
	}
	p.names, p.fenced = names(count), []int{0, 0, 4, 8}[r.IntN(4)]
	if p.fenced > 0 {
		p.storm += 2 * cluster.FenceHold // for silences that are longer than it
	}
	p.rarely = size == Large
	p.probing = size == Small && seed%40 == 0
	if p.mixed = p.probing && seed%80 == 0; p.mixed && len(p.kinds) > 0 {
		p.kinds = slices.Concat(p.kinds, versions, versions, versions, versions)
	}
	return p
}

// names are those that operators know: some stand alone, most are instances.
func names(count int) []cluster.UnitName {
	found := make([]cluster.UnitName, count)
	for i := range found {
		switch i % 3 {
		case 0:
			found[i] = cluster.UnitName(fmt.Sprintf("u%d.service", i))
		case 1:
			found[i] = cluster.UnitName(fmt.Sprintf("w%d@%d.service", i/60, i))
		default:
			found[i] = cluster.UnitName(fmt.Sprintf("v%d@%d.service", i/60*5+i%5, i))
		}
	}
	return found
}
