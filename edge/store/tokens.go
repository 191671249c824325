package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
)

// disturbances is how often a small write begins again because somebody else wrote
// the same fact meanwhile: more than there are members' APIs, several times over.
const disturbances = 50

// untilUndisturbed tries a write again for as long as others come first.
func (s *Store) untilUndisturbed(try func() error) error {
	var err error
	for range disturbances {
		if err = try(); !errors.Is(err, cluster.ErrConflict) {
			return err
		}
	}
	return err
}

// PutToken writes a new token, else cluster.ErrConflict. It ends by itself some
// time after it has expired.
func (s *Store) PutToken(ctx context.Context, token access.Token, done ...access.Entry) error {
	if err := s.putToken(ctx, token, done); err != nil {
		return fmt.Errorf("write the token %s: %w", token.ID, err)
	}
	return nil
}

func (s *Store) putToken(ctx context.Context, token access.Token, done []access.Entry) error {
	if err := token.Check(); err != nil {
		return err
	}
	lease, err := s.GrantLease(ctx, token.Expires.Sub(token.At)+access.RememberFor)
	if err != nil {
		return err
	}
	_, err = s.putGuarded(ctx, tokenKey(token.ID), 0, token, done, clientv3.WithLease(clientv3.LeaseID(lease)))
	return err
}

// Tokens returns all tokens in the order of their ids.
func (s *Store) Tokens(ctx context.Context) ([]access.Token, error) {
	var response *clientv3.GetResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Get(ctx, tokensFolder, clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	var tokens []access.Token
	for _, kv := range response.Kvs {
		token, err := readToken(kv)
		if err != nil {
			s.tell(kv, err)
			continue
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

func readToken(kv *keyValue) (access.Token, error) {
	token := access.Token{ID: strings.TrimPrefix(string(kv.Key), tokensFolder), Revision: kv.ModRevision}
	return token, decode(kv, &token)
}

// Redeem uses a token once and returns what is left of it; access.ErrTokenRefused
// says why it may not. After cluster.ErrUnavailable the use may be spent.
func (s *Store) Redeem(ctx context.Context, claim access.Claim, done ...access.Entry) (access.Token, error) {
	if access.CheckTokenID(claim.ID) != nil {
		return access.Token{}, fmt.Errorf("use a token: %w", access.ErrUnknownToken)
	}
	var left access.Token
	err := s.untilUndisturbed(func() (err error) {
		left, err = s.redeem(ctx, claim, done)
		return err
	})
	if err != nil {
		return access.Token{}, fmt.Errorf("use the token %s: %w", claim.ID, err)
	}
	return left, nil
}

func (s *Store) redeem(ctx context.Context, claim access.Claim, done []access.Entry) (access.Token, error) {
	kv, err := s.get(ctx, tokenKey(claim.ID))
	if err != nil {
		return access.Token{}, err
	}
	if kv == nil {
		return access.Token{}, access.ErrUnknownToken
	}
	token, err := readToken(kv)
	if err != nil {
		return access.Token{}, err
	}
	left, err := token.Accept(claim)
	if err != nil {
		return access.Token{}, err
	}
	left.Revision, err = s.putGuarded(ctx, tokenKey(claim.ID), token.Revision, left, done, clientv3.WithIgnoreLease())
	return left, err
}

// DeleteToken ends a token, or returns cluster.ErrNotFound.
func (s *Store) DeleteToken(ctx context.Context, id string, done ...access.Entry) error {
	err := access.CheckTokenID(id)
	if err == nil {
		err = s.deleteToken(ctx, id, done)
	}
	if err != nil {
		return fmt.Errorf("delete the token %q: %w", id, err)
	}
	return nil
}

func (s *Store) deleteToken(ctx context.Context, id string, done []access.Entry) error {
	key := tokenKey(id)
	notes, err := noting(done)
	if err != nil {
		return err
	}
	response, err := s.transact(ctx, []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(key), ">", 0)},
		append([]clientv3.Op{clientv3.OpDelete(key)}, notes...), nil)
	if err == nil && !response.Succeeded {
		err = cluster.ErrNotFound
	}
	return err
}
