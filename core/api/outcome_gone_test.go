package api

import (
	"testing"

	"argosy/core/cluster"
)

// TestPlacedOnAMachineThatIsGone: where the leader says why a unit runs nowhere, that
// counts, though the placement stays on a machine that has no record any more.
func TestPlacedOnAMachineThatIsGone(t *testing.T) {
	unit := &cluster.Unit{Name: "a.service", Desired: cluster.Launched, Generation: 2}
	placed := &cluster.Placement{Machine: "m", Unit: "a.service", Desired: cluster.Launched, Generation: 2}
	why := &cluster.Unplaced{Unit: "a.service", Generation: 2, Reason: "core-01 was lost; its fence stops the unit there"}
	for name, c := range map[string]struct {
		on     Presence
		want   Outcome
		reason string
	}{
		"gone":         {Presence{Machine: "m", Placed: placed}, OutcomeUnplaced, why.Reason},
		"there":        {Presence{Machine: "m", Name: "core-01", Placed: placed}, OutcomeWorking, "waiting for core-01"},
		"out of touch": {Presence{Machine: "m", IP: "10.0.0.1", Placed: placed}, OutcomeWorking, "waiting for m"},
	} {
		outcome, reason := judge(situation{unit: unit, unplaced: why, on: []Presence{c.on}})
		if outcome != c.want || reason != c.reason {
			t.Errorf("%s: %s, %q; want %s, %q", name, outcome, reason, c.want, c.reason)
		}
	}
}
