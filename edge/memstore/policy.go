package memstore

import (
	"context"
	"fmt"
	"slices"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/signing"
)

// PutPolicy says what is asked of units before they are started, where that still has
// p.Revision.
func (s *Store) PutPolicy(ctx context.Context, p signing.Policy, done ...access.Entry) (signing.Policy, error) {
	if err := p.Check(); err != nil {
		return signing.Policy{}, err
	}
	if err := s.enter(ctx); err != nil {
		return signing.Policy{}, err
	}
	defer s.mu.Unlock()
	if s.policy.Revision != p.Revision {
		return signing.Policy{}, fmt.Errorf("policy: %w", cluster.ErrConflict)
	}
	s.revision++
	s.writes++
	p.Revision = s.revision
	s.policy = clonedPolicy(p)
	s.noted(done)
	return p, nil
}

// Policy returns it.
func (s *Store) Policy(ctx context.Context) (signing.Policy, error) {
	if err := s.enter(ctx); err != nil {
		return signing.Policy{}, err
	}
	defer s.mu.Unlock()
	return clonedPolicy(s.policy), nil
}

func clonedPolicy(p signing.Policy) signing.Policy {
	p.Keys = slices.Clone(p.Keys)
	return p
}
