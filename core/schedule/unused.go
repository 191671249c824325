package schedule

import (
	"slices"

	"argosy/core/cluster"
)

// Unused returns the texts that no unit and no placement stands for, in order.
// It looks at everything: it is for now and then, not for every plan.
func (p *Picture) Unused() []cluster.Hash {
	used := make(map[cluster.Hash]bool, len(p.contents))
	for _, u := range p.units {
		if u.revision > 0 {
			used[u.hash] = true
		}
		for _, s := range u.slots {
			used[s.hash] = true
		}
	}
	var unused []cluster.Hash
	for hash := range p.contents {
		if !used[hash] {
			unused = append(unused, hash)
		}
	}
	slices.Sort(unused)
	return unused
}
