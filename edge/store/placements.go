package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
)

// Placements returns what one machine must run, in the order of the units' names.
func (s *Store) Placements(ctx context.Context, machine cluster.MachineID) ([]cluster.Placement, error) {
	var response *clientv3.GetResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Get(ctx, placementsPrefix(machine), clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the placements of machine %q: %w", machine, err)
	}
	var found []cluster.Placement
	for _, kv := range response.Kvs {
		if event, is := s.event(kv, false).(cluster.PlacementChanged); is {
			found = append(found, event.Placement)
		}
	}
	return found, nil
}

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
