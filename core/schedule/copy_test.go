package schedule_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
)

// TestCopy makes copies step by step while the picture learns on, and checks that
// they foretell what the picture does.
//
// Planted once, and caught here: a copy that is not told what the picture learns.
func TestCopy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, unitNames, nil)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			h.step()
		}
		h.rest()
		copied := h.picture.Copy()
		h.copied = copied
		for !copied.Step(rapid.IntRange(1, 3).Draw(t, "units")) {
			h.meanwhile(nil)
			switch rapid.SampledFrom([]string{"hear", "plan", "nothing"}).Draw(t, "then") {
			case "hear":
				h.hear(h.picture, rapid.IntRange(0, len(h.news)).Draw(t, "transactions"))
			case "plan":
				h.inform(h.picture)
				h.planAndCommit()
			}
		}
		h.copied = nil
		event := cluster.MachineGone{ID: machineID(rapid.SampledFrom(machineNames).Draw(t, "machine"))}
		if got, want := copied.WhatIf(at, event), h.picture.WhatIf(at, event); !reflect.DeepEqual(got, want) {
			h.fail("a copy foretells something else than its picture", "copy: "+h.show(got...), "picture: "+h.show(want...))
		}
	})
}
