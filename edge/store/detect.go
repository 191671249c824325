package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
)

// Assign writes whom machines probe, in the leader's term; one without targets has
// its fact ended. After an error some may have been written.
func (s *Store) Assign(ctx context.Context, term cluster.Leader, all []cluster.Probes) error {
	for some := range slices.Chunk(all, collectAtOnce) {
		if err := s.assign(ctx, term, some); err != nil {
			return fmt.Errorf("assign probes to %d machines: %w", len(all), err)
		}
	}
	return nil
}

func (s *Store) assign(ctx context.Context, term cluster.Leader, some []cluster.Probes) error {
	var ops []clientv3.Op
	for _, p := range some {
		if err := checkNames(p.Machine); err != nil {
			return err
		}
		if len(p.Targets) == 0 {
			ops = append(ops, clientv3.OpDelete(probesKey(p.Machine)))
			continue
		}
		value, err := encode(p)
		if err != nil {
			return err
		}
		ops = append(ops, clientv3.OpPut(probesKey(p.Machine), string(value)))
	}
	_, err := s.inTerm(ctx, term, ops)
	return err
}

// PutSuspicions writes a prober's words, bound to its machine's lease, and takes
// back those on the targets that are withdrawn. It may be done again.
func (s *Store) PutSuspicions(ctx context.Context, lease int64, prober cluster.MachineID, words []cluster.Suspicion, withdrawn []cluster.MachineID) error {
	if err := s.putSuspicions(ctx, lease, prober, words, withdrawn); err != nil {
		return fmt.Errorf("write what machine %q suspects: %w", prober, err)
	}
	return nil
}

func (s *Store) putSuspicions(ctx context.Context, lease int64, prober cluster.MachineID, words []cluster.Suspicion, withdrawn []cluster.MachineID) error {
	if len(words) > 0 && lease == 0 {
		return cluster.ErrLeaseGone
	}
	err := checkNames(prober)
	var ops []clientv3.Op
	for _, word := range words {
		value, bad := encode(word)
		err = errors.Join(err, checkNames(word.Target), bad)
		ops = append(ops, clientv3.OpPut(suspectKey(prober, word.Target), string(value), clientv3.WithLease(clientv3.LeaseID(lease))))
	}
	for _, target := range withdrawn {
		err = errors.Join(err, checkNames(target))
		ops = append(ops, clientv3.OpDelete(suspectKey(prober, target)))
	}
	if err != nil {
		return err
	}
	for some := range slices.Chunk(ops, maxOps) {
		err := s.repeat(ctx, func(ctx context.Context) error {
			_, err := s.client.Txn(ctx).Then(some...).Commit()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// EndMachine ends the record of a machine that is lost, in the leader's term, where
// the record still has m.Revision, else cluster.ErrConflict. It may be done again: a
// member that has died with the machine costs a try. The machine's lease is revoked
// apart, which no term guards and no failover waits for.
func (s *Store) EndMachine(ctx context.Context, term cluster.Leader, m cluster.Machine) error {
	if err := s.endMachine(ctx, term, m); err != nil {
		return fmt.Errorf("end the record of machine %q: %w", m.ID, err)
	}
	return nil
}

func (s *Store) endMachine(ctx context.Context, term cluster.Leader, m cluster.Machine) error {
	if err := checkNames(m.ID); err != nil {
		return err
	}
	key := machineKey(m.ID)
	untouched := []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(key), "=", m.Revision),
		clientv3.Compare(clientv3.CreateRevision(key), ">", 0),
	}
	var response *clientv3.TxnResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Txn(ctx).If(isLeader(term), clientv3.Compare(clientv3.CreateRevision(leaderKey), ">", 0)).
			Then(clientv3.OpTxn(untouched, []clientv3.Op{clientv3.OpDelete(key)}, nil)).Commit()
		return err
	})
	switch {
	case err != nil:
		return err
	case !response.Succeeded:
		return cluster.ErrDeposed
	case !response.Responses[0].GetResponseTxn().Succeeded:
		return cluster.ErrConflict
	}
	return nil
}

// Depart ends a machine's record, where it is bound to the given lease, else
// cluster.ErrConflict, and says in the same transaction that the machine has left.
func (s *Store) Depart(ctx context.Context, id cluster.MachineID, lease int64, at time.Time) error {
	if err := s.depart(ctx, id, lease, at); err != nil {
		return fmt.Errorf("take machine %q out of the cluster: %w", id, err)
	}
	return nil
}

func (s *Store) depart(ctx context.Context, id cluster.MachineID, lease int64, at time.Time) error {
	if err := checkNames(id); err != nil {
		return err
	}
	value, err := encode(cluster.Departed{At: at})
	if err != nil {
		return err
	}
	kept, err := s.GrantLease(ctx, cluster.DepartedFor)
	if err != nil {
		return err
	}
	key := machineKey(id)
	response, err := s.transact(ctx,
		[]clientv3.Cmp{
			clientv3.Compare(clientv3.LeaseValue(key), "=", lease),
			clientv3.Compare(clientv3.CreateRevision(key), ">", 0),
		},
		[]clientv3.Op{
			clientv3.OpDelete(key),
			clientv3.OpPut(departedKey(id), string(value), clientv3.WithLease(clientv3.LeaseID(kept))),
		}, nil)
	if err == nil && !response.Succeeded {
		err = cluster.ErrConflict
	}
	return err
}
