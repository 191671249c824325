package memstore

import (
	"context"
	"fmt"

	"argosy/core/cluster"
)

// Placements returns what one machine must run.
func (s *Store) Placements(ctx context.Context, machine cluster.MachineID) ([]cluster.Placement, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []cluster.Placement
	for _, event := range s.all(cluster.Assigned(machine)) {
		if changed, is := event.(cluster.PlacementChanged); is {
			found = append(found, changed.Placement)
		}
	}
	return found, nil
}

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
