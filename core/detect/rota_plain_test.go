package detect

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
)

// TestRotaAsPlain: the probers of every machine are those that a walk around the whole
// ring finds, however few of the machines can probe.
func TestRotaAsPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRota()
		can := rapid.IntRange(0, 10).Draw(t, "of ten, those that can probe")
		members := rapid.IntRange(0, 10).Draw(t, "of ten, members")
		of := func(tenths int, what string) bool { return rapid.IntRange(1, 10).Draw(t, what) <= tenths }
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := cluster.MachineID(fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "machine")))
			if of(8, "sits") {
				r.Sit(Seat{Machine: id, Probes: of(can, "probes"), Member: of(members, "member")})
			} else {
				r.Leave(id)
			}
		}
		for _, target := range r.ring {
			if got, want := r.probersOf(target), plainly(r.ring, target); !slices.Equal(got, want) {
				t.Fatalf("%s is probed by %v, and should be by %v", target.Machine, called(got), called(want))
			}
		}
	})
}

// plainly walks the ring on from a machine: three that probe, and instead of the third
// the first worker, where none of them is one.
func plainly(ring circle, target *chair) []*chair {
	var walk, picked []*chair
	at := slices.Index(ring, target)
	walk = append(append(walk, ring[at+1:]...), ring[:at]...)
	for _, c := range walk {
		if c.Probes && len(picked) < probers {
			picked = append(picked, c)
		}
	}
	if slices.ContainsFunc(picked, (*chair).worker) {
		return picked
	}
	for _, c := range walk {
		if c.worker() {
			picked[len(picked)-1] = c
			break
		}
	}
	return picked
}

func called(chairs []*chair) []cluster.MachineID {
	var ids []cluster.MachineID
	for _, c := range chairs {
		ids = append(ids, c.Machine)
	}
	return ids
}
