package store

import (
	"context"
	"fmt"

	"argosy/core/cluster"
)

// Placement returns what stands in the store of one unit on one machine now, or
// cluster.ErrNotFound. A follower may be behind; this is not.
func (s *Store) Placement(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName) (cluster.Placement, error) {
	p := cluster.Placement{Machine: machine, Unit: unit}
	kv, err := s.get(ctx, placementKey(machine, unit))
	switch {
	case err != nil:
	case kv == nil:
		err = cluster.ErrNotFound
	default:
		p.Revision = kv.ModRevision
		err = decode(kv, &p)
	}
	if err != nil {
		return cluster.Placement{}, fmt.Errorf("read the placement of %s on machine %q: %w", unit, machine, err)
	}
	return p, nil
}
