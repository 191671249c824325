package store

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
)

// The facts of who may do what lie beside the others and are no cluster.Event:
// engines and agents have no use for them, and workers may not read them.
const (
	peopleFolder   = root + "people/"
	tokensFolder   = root + "tokens/"
	revokedFolder  = root + "revoked/"
	authoritiesKey = root + "authorities"
)

func accountKey(name string) string            { return peopleFolder + name }
func tokenKey(id string) string                { return tokensFolder + id }
func revokedKey(subject access.Subject) string { return revokedFolder + subject.String() }
func checkSubject(subject access.Subject) error {
	_, err := access.ParseSubject(subject.String())
	return err
}

// PutAccount writes what a person may do where that still has a.Revision (0: there
// is nothing), else cluster.ErrConflict. It returns the account with its new
// revision.
func (s *Store) PutAccount(ctx context.Context, a access.Account, done ...access.Entry) (access.Account, error) {
	err := a.Check()
	if err == nil {
		a.Revision, err = s.putGuarded(ctx, accountKey(a.Name), a.Revision, a, done)
	}
	if err != nil {
		return access.Account{}, fmt.Errorf("write the account of %q: %w", a.Name, err)
	}
	return a, nil
}

// DeleteAccount ends an account that still has the given revision. It returns
// cluster.ErrNotFound where there is none, cluster.ErrConflict where it has another.
func (s *Store) DeleteAccount(ctx context.Context, name string, revision int64, done ...access.Entry) error {
	err := access.CheckPersonName(name)
	if err == nil {
		err = s.deleteGuarded(ctx, accountKey(name), revision, done)
	}
	if err != nil {
		return fmt.Errorf("delete the account of %q: %w", name, err)
	}
	return nil
}

// Revocation returns which certificates of a subject are revoked; where none ever
// was, the least generation is 0.
func (s *Store) Revocation(ctx context.Context, subject access.Subject) (access.Revocation, error) {
	err := checkSubject(subject)
	var kv *keyValue
	if err == nil {
		kv, err = s.get(ctx, revokedKey(subject))
	}
	if err != nil {
		return access.Revocation{}, fmt.Errorf("read what is revoked of %s: %w", subject, err)
	}
	if kv == nil {
		return access.Revocation{Subject: subject}, nil
	}
	return s.revocation(subject, kv), nil
}

// revocation reads a revocation. One that cannot be read refuses every certificate
// of its subject: a slip must not let anybody in.
func (s *Store) revocation(subject access.Subject, kv *keyValue) access.Revocation {
	r := access.Revocation{Subject: subject, Revision: kv.ModRevision}
	if err := decode(kv, &r); err != nil {
		s.tell(kv, err)
		r.Least = math.MaxUint64
	}
	return r
}

// Revoke counts the generation up from which on a subject's certificates are
// taken, so that all there are now are refused.
func (s *Store) Revoke(ctx context.Context, subject access.Subject, by string, at time.Time, done ...access.Entry) (access.Revocation, error) {
	next, err := s.revoke(ctx, subject, by, at, done)
	if err != nil {
		return access.Revocation{}, fmt.Errorf("revoke the certificates of %s: %w", subject, err)
	}
	return next, nil
}

func (s *Store) revoke(ctx context.Context, subject access.Subject, by string, at time.Time, done []access.Entry) (next access.Revocation, err error) {
	err = s.untilUndisturbed(func() error {
		now, err := s.Revocation(ctx, subject)
		if err != nil {
			return err
		}
		next = access.Revocation{Subject: subject, Least: now.Least + 1, By: by, At: at}
		next.Revision, err = s.putGuarded(ctx, revokedKey(subject), now.Revision, next, done)
		return err
	})
	return next, err
}

// PutAuthorities writes who signs certificates where that still has a.Revision (0:
// nothing is written yet), else cluster.ErrConflict. It returns it with its new
// revision.
func (s *Store) PutAuthorities(ctx context.Context, a access.Authorities) (access.Authorities, error) {
	var err error
	if a.Revision, err = s.putGuarded(ctx, authoritiesKey, a.Revision, a, nil); err != nil {
		return access.Authorities{}, fmt.Errorf("write the authorities: %w", err)
	}
	return a, nil
}

// Register reads all accounts, revocations, authorities and the keyring at one revision.
func (s *Store) Register(ctx context.Context) (access.Register, error) {
	var response *clientv3.TxnResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Txn(ctx).Then(
			clientv3.OpGet(peopleFolder, clientv3.WithPrefix()),
			clientv3.OpGet(revokedFolder, clientv3.WithPrefix()),
			clientv3.OpGet(authoritiesKey),
			clientv3.OpGet(keyringKey)).Commit()
		return err
	})
	if err != nil {
		return access.Register{}, fmt.Errorf("read who may do what: %w", err)
	}
	register := access.Register{
		Revision: response.Header.Revision,
		Accounts: map[string]access.Account{},
		Revoked:  map[access.Subject]access.Revocation{},
	}
	for _, kv := range response.Responses[0].GetResponseRange().Kvs {
		account := access.Account{Name: strings.TrimPrefix(string(kv.Key), peopleFolder), Revision: kv.ModRevision}
		err := decode(kv, &account)
		if err == nil {
			err = account.Check()
		}
		if err != nil {
			s.tell(kv, fmt.Errorf("key %s: %w", kv.Key, err))
			continue
		}
		register.Accounts[account.Name] = account
	}
	for _, kv := range response.Responses[1].GetResponseRange().Kvs {
		subject, err := access.ParseSubject(strings.TrimPrefix(string(kv.Key), revokedFolder))
		if err != nil {
			s.tell(kv, fmt.Errorf("key %s: %w", kv.Key, err))
			continue
		}
		register.Revoked[subject] = s.revocation(subject, kv)
	}
	for _, kv := range response.Responses[2].GetResponseRange().Kvs {
		authorities := access.Authorities{Revision: kv.ModRevision}
		if err := decode(kv, &authorities); err != nil {
			s.tell(kv, err)
			continue
		}
		register.Authorities = authorities
	}
	for _, kv := range response.Responses[3].GetResponseRange().Kvs {
		keyring, err := readKeyring(kv)
		if err != nil {
			s.tell(kv, err)
			continue
		}
		register.Keyring = keyring
	}
	return register, nil
}

// putGuarded writes a fact where its key still has a revision (0: it is not there),
// else cluster.ErrConflict, and with it who did so. It returns the new revision.
func (s *Store) putGuarded(ctx context.Context, key string, revision int64, fact any, done []access.Entry, options ...clientv3.OpOption) (int64, error) {
	return s.putWhere(ctx, guards{key: revision}, key, fact, done, options...)
}

// guards are the revisions that keys must still have.
type guards map[string]int64

// putWhere is putGuarded by several keys.
func (s *Store) putWhere(ctx context.Context, where guards, key string, fact any, done []access.Entry, options ...clientv3.OpOption) (int64, error) {
	value, err := encode(fact)
	if err != nil {
		return 0, err
	}
	notes, err := noting(done)
	if err != nil {
		return 0, err
	}
	var still []clientv3.Cmp
	for guard, revision := range where {
		still = append(still, clientv3.Compare(clientv3.ModRevision(guard), "=", revision))
	}
	response, err := s.transact(ctx, still, append(notes, clientv3.OpPut(key, string(value), options...)), nil)
	if err != nil {
		return 0, err
	}
	if !response.Succeeded {
		return 0, cluster.ErrConflict
	}
	return response.Header.Revision, nil
}

// deleteGuarded ends a fact whose key still has a revision, else
// cluster.ErrNotFound or cluster.ErrConflict.
func (s *Store) deleteGuarded(ctx context.Context, key string, revision int64, done []access.Entry) error {
	if revision == 0 {
		done = nil // there is nothing to end
	}
	notes, err := noting(done)
	if err != nil {
		return err
	}
	response, err := s.transact(ctx,
		[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", revision)},
		append([]clientv3.Op{clientv3.OpDelete(key)}, notes...),
		[]clientv3.Op{clientv3.OpGet(key, clientv3.WithCountOnly())})
	switch {
	case err != nil:
		return err
	case response.Succeeded && response.Responses[0].GetResponseDeleteRange().Deleted == 0,
		!response.Succeeded && response.Responses[0].GetResponseRange().Count == 0:
		return cluster.ErrNotFound
	case !response.Succeeded:
		return cluster.ErrConflict
	}
	return nil
}
