package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"argosy/core/access"
	"argosy/core/cluster"
)

// GrantLease starts a lease that ends when it has not been kept alive for ttl,
// rounded up to whole seconds. etcd grants no less than one and a half of its
// election timeout.
func (s *Store) GrantLease(ctx context.Context, ttl time.Duration) (int64, error) {
	seconds := int64((ttl + time.Second - 1) / time.Second)
	var lease int64
	err := s.once(ctx, func(ctx context.Context) (err error) {
		lease, err = s.grant(ctx, seconds)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("grant a lease of %s: %w", ttl, err)
	}
	return lease, nil
}

// grant has a machine choose the id of its lease, so that others can tell whose it
// is. Where it has one of that id already, it takes another.
func (s *Store) grant(ctx context.Context, seconds int64) (int64, error) {
	for {
		request := &pb.LeaseGrantRequest{TTL: seconds}
		if s.machine != "" {
			request.ID = access.LeaseID(s.machine, rand.Uint32())
		}
		granted, err := s.leases.LeaseGrant(ctx, request, grpc.WaitForReady(true))
		switch {
		case err == nil:
			return granted.ID, nil
		case !errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseExist):
			return 0, err
		}
	}
}

// RevokeLease ends a lease and all that is bound to it.
func (s *Store) RevokeLease(ctx context.Context, lease int64) error {
	err := s.once(ctx, func(ctx context.Context) error {
		_, err := s.client.Revoke(ctx, clientv3.LeaseID(lease))
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke lease %x: %w", lease, err)
	}
	return nil
}

// PutMachine writes a machine's record, bound to m.Lease, where it still has
// m.Revision (0: there is none), else cluster.ErrConflict. A machine that is there
// has not departed. It returns the record with its new revision.
func (s *Store) PutMachine(ctx context.Context, m cluster.Machine) (cluster.Machine, error) {
	revision, err := s.putMachine(ctx, m)
	if err != nil {
		return cluster.Machine{}, fmt.Errorf("write machine %q: %w", m.ID, err)
	}
	m.Revision = revision
	return m, nil
}

func (s *Store) putMachine(ctx context.Context, m cluster.Machine) (int64, error) {
	if err := checkNames(m.ID); err != nil {
		return 0, err
	}
	if m.Lease == 0 {
		return 0, fmt.Errorf("it has no lease: %w", cluster.ErrLeaseGone)
	}
	value, err := encode(m)
	if err != nil {
		return 0, err
	}
	key := machineKey(m.ID)
	response, err := s.transact(ctx,
		[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", m.Revision)},
		[]clientv3.Op{
			clientv3.OpPut(key, string(value), clientv3.WithLease(clientv3.LeaseID(m.Lease))),
			clientv3.OpDelete(departedKey(m.ID)),
		}, nil)
	if err != nil {
		return 0, err
	}
	if !response.Succeeded {
		return 0, cluster.ErrConflict
	}
	return response.Header.Revision, nil
}

// Machine returns a machine's record, or cluster.ErrNotFound.
func (s *Store) Machine(ctx context.Context, id cluster.MachineID) (cluster.Machine, error) {
	var m cluster.Machine
	kv, err := s.get(ctx, machineKey(id))
	switch {
	case err != nil:
	case kv == nil:
		err = cluster.ErrNotFound
	default:
		m, err = machine(id, kv)
	}
	if err != nil {
		return cluster.Machine{}, fmt.Errorf("read machine %q: %w", id, err)
	}
	return m, nil
}

// Machines returns the records of all machines that are there, in the order of
// their ids.
func (s *Store) Machines(ctx context.Context) ([]cluster.Machine, error) {
	var response *clientv3.GetResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Get(ctx, machineKey(""), clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the machines: %w", err)
	}
	var all []cluster.Machine
	for _, kv := range response.Kvs {
		if event, is := s.event(kv, false).(cluster.MachineChanged); is {
			all = append(all, event.Machine)
		}
	}
	return all, nil
}

// States returns the states that a machine has published, in the order of their
// units' names: what a restarted agent compares with what it sees.
func (s *Store) States(ctx context.Context, machine cluster.MachineID) ([]cluster.UnitState, error) {
	prefix := statesPrefix(machine)
	var response *clientv3.GetResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Get(ctx, prefix, clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the unit states of machine %q: %w", machine, err)
	}
	var found []cluster.UnitState
	for _, kv := range response.Kvs {
		if event, is := s.event(kv, false).(cluster.StateChanged); is {
			found = append(found, event.State)
		}
	}
	return found, nil
}

// PutStates writes what is now so of a machine's units, bound to its lease, and
// removes the states of units that are gone from it. It goes in transactions of
// up to 128 units; after an error some may have been written, and all may be
// written again.
func (s *Store) PutStates(ctx context.Context, lease int64, machine cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error {
	if err := s.putStates(ctx, lease, machine, changed, gone); err != nil {
		return fmt.Errorf("write %d unit states of machine %q: %w", len(changed)+len(gone), machine, err)
	}
	return nil
}

func (s *Store) putStates(ctx context.Context, lease int64, machine cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error {
	if len(changed) > 0 && lease == 0 {
		return cluster.ErrLeaseGone
	}
	if err := checkNames(machine, gone...); err != nil {
		return err
	}
	var ops []clientv3.Op
	seen := map[cluster.UnitName]bool{} // etcd takes one word on a key in a transaction
	for _, state := range slices.Backward(changed) {
		if err := checkNames(machine, state.Unit); err != nil {
			return err
		}
		if seen[state.Unit] {
			continue // a later word on the same unit counts
		}
		seen[state.Unit] = true
		value, err := encode(state)
		if err != nil {
			return err
		}
		ops = append(ops, clientv3.OpPut(stateKey(machine, state.Unit), string(value), clientv3.WithLease(clientv3.LeaseID(lease))))
	}
	for _, unit := range gone {
		if !seen[unit] {
			seen[unit] = true
			ops = append(ops, clientv3.OpDelete(stateKey(machine, unit)))
		}
	}
	for len(ops) > 0 {
		n := min(len(ops), maxOps)
		if _, err := s.transact(ctx, nil, ops[:n], nil); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}
