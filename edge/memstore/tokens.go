package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"argosy/core/access"
	"argosy/core/cluster"
)

// PutToken writes a new token. Here it is kept for ever.
func (s *Store) PutToken(ctx context.Context, token access.Token, done ...access.Entry) error {
	if err := token.Check(); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, there := s.register.tokens[token.ID]; there {
		return fmt.Errorf("token %s: %w", token.ID, cluster.ErrConflict)
	}
	token.Revision = s.wrote()
	s.register.tokens[token.ID] = token
	s.noted(done)
	return nil
}

// Tokens returns all tokens in the order of their ids.
func (s *Store) Tokens(ctx context.Context) ([]access.Token, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var tokens []access.Token
	for _, id := range slices.Sorted(maps.Keys(s.register.tokens)) {
		tokens = append(tokens, s.register.tokens[id])
	}
	return tokens, nil
}

// Redeem uses a token once.
func (s *Store) Redeem(ctx context.Context, claim access.Claim, done ...access.Entry) (access.Token, error) {
	if err := s.enter(ctx); err != nil {
		return access.Token{}, err
	}
	defer s.mu.Unlock()
	token, there := s.register.tokens[claim.ID]
	if !there {
		return access.Token{}, access.ErrUnknownToken
	}
	left, err := token.Accept(claim)
	if err != nil {
		return access.Token{}, err
	}
	left.Revision = s.wrote()
	s.register.tokens[claim.ID] = left
	s.noted(done)
	return left, nil
}

// DeleteToken ends a token.
func (s *Store) DeleteToken(ctx context.Context, id string, done ...access.Entry) error {
	if err := access.CheckTokenID(id); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, there := s.register.tokens[id]; !there {
		return fmt.Errorf("token %s: %w", id, cluster.ErrNotFound)
	}
	delete(s.register.tokens, id)
	s.wrote()
	s.noted(done)
	return nil
}
