package memstore

import (
	"context"
	"fmt"

	"argosy/core/cluster"
)

// Placement returns what stands in the store of one unit on one machine.
func (s *Store) Placement(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName) (cluster.Placement, error) {
	if err := s.enter(ctx); err != nil {
		return cluster.Placement{}, err
	}
	defer s.mu.Unlock()
	p, there := s.facts[placementKey(machine, unit)].changed.(cluster.PlacementChanged)
	if !there {
		return cluster.Placement{}, fmt.Errorf("placement of %s on machine %q: %w", unit, machine, cluster.ErrNotFound)
	}
	return p.Placement, nil
}
