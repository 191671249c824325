package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"argosy/core/access"
	"argosy/core/cluster"
)

// PutSecret writes a secret where that still has secret.Revision, and the keyring the
// given one.
func (s *Store) PutSecret(ctx context.Context, secret cluster.Secret, keyring int64, done ...access.Entry) (cluster.Secret, error) {
	if err := secret.Check(); err != nil {
		return cluster.Secret{}, err
	}
	if err := s.enter(ctx); err != nil {
		return cluster.Secret{}, err
	}
	defer s.mu.Unlock()
	if s.secrets[secret.Name].Revision != secret.Revision || s.register.now.Keyring.Revision != keyring {
		return cluster.Secret{}, fmt.Errorf("secret %q: %w", secret.Name, cluster.ErrConflict)
	}
	s.revision++
	s.writes++
	secret.Revision = s.revision
	s.secrets[secret.Name] = clonedSecret(secret)
	s.noted(done)
	return secret, nil
}

// Secret returns one secret.
func (s *Store) Secret(ctx context.Context, name cluster.SecretName) (cluster.Secret, error) {
	if _, err := cluster.ParseSecretName(string(name)); err != nil {
		return cluster.Secret{}, err
	}
	if err := s.enter(ctx); err != nil {
		return cluster.Secret{}, err
	}
	defer s.mu.Unlock()
	secret, there := s.secrets[name]
	if !there {
		return cluster.Secret{}, fmt.Errorf("secret %q: %w", name, cluster.ErrNotFound)
	}
	return clonedSecret(secret), nil
}

// Secrets returns all secrets in the order of their names.
func (s *Store) Secrets(ctx context.Context) ([]cluster.Secret, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var all []cluster.Secret
	for _, name := range slices.Sorted(maps.Keys(s.secrets)) {
		all = append(all, clonedSecret(s.secrets[name]))
	}
	return all, nil
}

// DeleteSecret ends a secret that still has the given revision.
func (s *Store) DeleteSecret(ctx context.Context, name cluster.SecretName, revision int64, done ...access.Entry) error {
	if _, err := cluster.ParseSecretName(string(name)); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch s.secrets[name].Revision {
	case 0:
		return fmt.Errorf("secret %q: %w", name, cluster.ErrNotFound)
	case revision:
		delete(s.secrets, name)
		s.revision++
		s.writes++
		s.noted(done)
		return nil
	default:
		return fmt.Errorf("secret %q: %w", name, cluster.ErrConflict)
	}
}

// clonedSecret cuts a secret's ties to the caller.
func clonedSecret(secret cluster.Secret) cluster.Secret {
	secret.Units = slices.Clone(secret.Units)
	secret.Versions = slices.Clone(secret.Versions)
	for i := range secret.Versions {
		secret.Versions[i].Sealed.Box = slices.Clone(secret.Versions[i].Sealed.Box)
	}
	return secret
}
