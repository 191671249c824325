package store

import (
	"context"
	"fmt"

	"argosy/core/access"
	"argosy/core/signing"
)

const policyKey = root + "policy"

// PutPolicy says what is asked of units before they are started, where that still has
// p.Revision (0: there was never any), else cluster.ErrConflict. It returns the policy
// with its new revision.
func (s *Store) PutPolicy(ctx context.Context, p signing.Policy, done ...access.Entry) (signing.Policy, error) {
	err := p.Check()
	if err == nil {
		p.Revision, err = s.putGuarded(ctx, policyKey, p.Revision, p, done)
	}
	if err != nil {
		return signing.Policy{}, fmt.Errorf("write the policy: %w", err)
	}
	return p, nil
}

// Policy returns it; the zero value where there was never any.
func (s *Store) Policy(ctx context.Context) (signing.Policy, error) {
	var p signing.Policy
	kv, err := s.get(ctx, policyKey)
	if err == nil && kv != nil {
		p.Revision = kv.ModRevision
		err = decode(kv, &p)
	}
	if err == nil {
		err = p.Check()
	}
	if err != nil {
		return signing.Policy{}, fmt.Errorf("read the policy: %w", err)
	}
	return p, nil
}
