package store

import (
	"context"
	"fmt"

	"argosy/core/access"
)

const keyringKey = root + "keyring"

// PutKeyring writes which key seals the secrets where that still has k.Revision (0:
// nothing is written yet) and the authorities, whose newest key is sealed too, have
// theirs; else cluster.ErrConflict. It returns it with its new revision.
func (s *Store) PutKeyring(ctx context.Context, k access.Keyring, authorities int64, done ...access.Entry) (access.Keyring, error) {
	var err error
	k.Revision, err = s.putWhere(ctx, guards{keyringKey: k.Revision, authoritiesKey: authorities}, keyringKey, k, done)
	if err != nil {
		return access.Keyring{}, fmt.Errorf("write which key seals the secrets: %w", err)
	}
	return k, nil
}

// Keyring returns which key seals the secrets; it is empty where none was ever replaced.
func (s *Store) Keyring(ctx context.Context) (access.Keyring, error) {
	kv, err := s.get(ctx, keyringKey)
	if err == nil && kv == nil {
		return access.Keyring{}, nil
	}
	var k access.Keyring
	if err == nil {
		k, err = readKeyring(kv)
	}
	if err != nil {
		return access.Keyring{}, fmt.Errorf("read which key seals the secrets: %w", err)
	}
	return k, nil
}

func readKeyring(kv *keyValue) (access.Keyring, error) {
	k := access.Keyring{Revision: kv.ModRevision}
	return k, decode(kv, &k)
}
