package fleetctl

import (
	"testing"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// TestOrdersGuardTexts: a file goes over what was known when it was chosen.
func TestOrdersGuardTexts(t *testing.T) {
	unit, stored := &unitfile.Bundle{Text: text}, &api.Unit{Generation: 7}
	for _, c := range []struct {
		order order
		want  *int64
	}{
		{order{unit: unit}, new(int64)},
		{order{unit: unit, stored: stored}, &stored.Generation},
		{order{stored: stored}, nil},
	} {
		got := c.order.change(cluster.Loaded)
		if got.Desired != cluster.Loaded || (got.IfGeneration == nil) != (c.want == nil) || c.want != nil && *got.IfGeneration != *c.want {
			t.Errorf("%+v makes %+v", c.order, got)
		}
	}
}
