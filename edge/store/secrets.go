package store

import (
	"context"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
)

// Secrets lie beside the other facts and are no cluster.Event: whoever needs one asks
// for it, and nobody keeps them all in memory.
const secretsFolder = root + "secrets/"

func secretKey(name cluster.SecretName) string { return secretsFolder + string(name) }

// PutSecret writes a secret where that still has secret.Revision (0: there is none) and
// the keyring, by which it is sealed, has the given one, else cluster.ErrConflict. So
// nothing is sealed with a key that is on its way out. It returns the secret with its
// new revision.
func (s *Store) PutSecret(ctx context.Context, secret cluster.Secret, keyring int64, done ...access.Entry) (cluster.Secret, error) {
	err := secret.Check()
	if err == nil {
		secret.Revision, err = s.putWhere(ctx, guards{secretKey(secret.Name): secret.Revision, keyringKey: keyring}, secretKey(secret.Name), secret, done)
	}
	if err != nil {
		return cluster.Secret{}, fmt.Errorf("write the secret %q: %w", secret.Name, err)
	}
	return secret, nil
}

// Secret returns one secret, or cluster.ErrNotFound.
func (s *Store) Secret(ctx context.Context, name cluster.SecretName) (cluster.Secret, error) {
	_, err := cluster.ParseSecretName(string(name))
	var kv *keyValue
	if err == nil {
		kv, err = s.get(ctx, secretKey(name))
	}
	if err == nil && kv == nil {
		err = cluster.ErrNotFound
	}
	var secret cluster.Secret
	if err == nil {
		secret, err = readSecret(kv)
	}
	if err != nil {
		return cluster.Secret{}, fmt.Errorf("read the secret %q: %w", name, err)
	}
	return secret, nil
}

func readSecret(kv *keyValue) (cluster.Secret, error) {
	secret := cluster.Secret{Name: cluster.SecretName(strings.TrimPrefix(string(kv.Key), secretsFolder)), Revision: kv.ModRevision}
	if err := decode(kv, &secret); err != nil {
		return cluster.Secret{}, err
	}
	return secret, secret.Check()
}

// secretsPerRead keeps one answer of the store small: a secret may have a third of a
// megabyte.
const secretsPerRead = 16

// Secrets returns all secrets in the order of their names. One that cannot be read is
// reported and left out.
func (s *Store) Secrets(ctx context.Context) ([]cluster.Secret, error) {
	var all []cluster.Secret
	from, end := secretsFolder, clientv3.GetPrefixRangeEnd(secretsFolder)
	for {
		var response *clientv3.GetResponse
		err := s.repeat(ctx, func(ctx context.Context) (err error) {
			response, err = s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(secretsPerRead))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the secrets: %w", err)
		}
		for _, kv := range response.Kvs {
			secret, err := readSecret(kv)
			if err != nil {
				s.tell(kv, fmt.Errorf("key %s: %w", kv.Key, err))
				continue
			}
			all = append(all, secret)
		}
		if !response.More {
			return all, nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// DeleteSecret ends a secret that still has the given revision. It returns
// cluster.ErrNotFound where there is none, cluster.ErrConflict where it has another.
func (s *Store) DeleteSecret(ctx context.Context, name cluster.SecretName, revision int64, done ...access.Entry) error {
	_, err := cluster.ParseSecretName(string(name))
	if err == nil {
		err = s.deleteGuarded(ctx, secretKey(name), revision, done)
	}
	if err != nil {
		return fmt.Errorf("delete the secret %q: %w", name, err)
	}
	return nil
}
