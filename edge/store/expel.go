package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
)

// Expel puts a person or a machine out: all their certificates are refused from
// then on. It ends the machine's record as if it had left, so that its units move, and
// its leases. It may be done again, and after an error it should be.
func (s *Store) Expel(ctx context.Context, subject access.Subject, by string, at time.Time, done ...access.Entry) (access.Revocation, error) {
	revoked, err := s.Revoke(ctx, subject, by, at, done...)
	if err != nil || subject.Machine == "" {
		return revoked, err
	}
	err = errors.Join(s.endRecord(ctx, subject.Machine, at), s.endLeases(ctx, subject.Machine))
	if err != nil {
		return revoked, fmt.Errorf("expel machine %q: %w", subject.Machine, err)
	}
	return revoked, nil
}

// endRecord ends a machine's record, whatever it is bound to, and with its lease
// all else that the machine has said.
func (s *Store) endRecord(ctx context.Context, id cluster.MachineID, at time.Time) error {
	return s.untilUndisturbed(func() error {
		m, err := s.Machine(ctx, id)
		if errors.Is(err, cluster.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.depart(ctx, id, m.Lease, at); err != nil {
			return err
		}
		if err := s.RevokeLease(ctx, m.Lease); err != nil && !errors.Is(err, cluster.ErrLeaseGone) {
			return err
		}
		return nil
	})
}

// endLeases ends the leases that a machine chose for itself.
func (s *Store) endLeases(ctx context.Context, id cluster.MachineID) error {
	var all *clientv3.LeaseLeasesResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		all, err = s.client.Leases(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, lease := range all.Leases {
		if !access.OwnsLease(id, int64(lease.ID)) {
			continue
		}
		if bad := s.RevokeLease(ctx, int64(lease.ID)); bad != nil && !errors.Is(bad, cluster.ErrLeaseGone) {
			err = errors.Join(err, bad)
		}
	}
	return err
}
