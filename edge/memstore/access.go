package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/role/runtime"
)

// register is who may do what. It lies beside the other facts, as in edge/store.
type register struct {
	tokens  map[string]access.Token
	now     access.Register // its maps are copied before they change
	changed int64           // the revision of its last change
	readers []runtime.Bell
}

func newRegister() register {
	return register{
		tokens: map[string]access.Token{},
		now:    access.Register{Accounts: map[string]access.Account{}, Revoked: map[access.Subject]access.Revocation{}},
	}
}

func (s *Store) wakeReaders() {
	for _, bell := range s.register.readers {
		bell.Ring()
	}
}

// wrote counts a change of the register.
func (s *Store) wrote() int64 {
	s.revision++
	s.writes++
	s.register.changed = s.revision
	s.wakeReaders()
	return s.revision
}

// PutAccount writes what a person may do where that still has a.Revision.
func (s *Store) PutAccount(ctx context.Context, a access.Account, done ...access.Entry) (access.Account, error) {
	if err := a.Check(); err != nil {
		return access.Account{}, err
	}
	if err := s.enter(ctx); err != nil {
		return access.Account{}, err
	}
	defer s.mu.Unlock()
	accounts := maps.Clone(s.register.now.Accounts)
	if accounts[a.Name].Revision != a.Revision {
		return access.Account{}, fmt.Errorf("account of %q: %w", a.Name, cluster.ErrConflict)
	}
	a.Revision = s.wrote()
	s.noted(done)
	kept := a
	kept.Units = slices.Clone(a.Units)
	accounts[a.Name] = kept
	s.register.now.Accounts = accounts
	return a, nil
}

// DeleteAccount ends an account that still has the given revision.
func (s *Store) DeleteAccount(ctx context.Context, name string, revision int64, done ...access.Entry) error {
	if err := access.CheckPersonName(name); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	accounts := maps.Clone(s.register.now.Accounts)
	switch accounts[name].Revision {
	case 0:
		return fmt.Errorf("account of %q: %w", name, cluster.ErrNotFound)
	case revision:
		delete(accounts, name)
		s.register.now.Accounts = accounts
		s.wrote()
		s.noted(done)
		return nil
	default:
		return fmt.Errorf("account of %q: %w", name, cluster.ErrConflict)
	}
}

// Revocation returns which certificates of a subject are revoked.
func (s *Store) Revocation(ctx context.Context, subject access.Subject) (access.Revocation, error) {
	if _, err := access.ParseSubject(subject.String()); err != nil {
		return access.Revocation{}, err
	}
	if err := s.enter(ctx); err != nil {
		return access.Revocation{}, err
	}
	defer s.mu.Unlock()
	r := s.register.now.Revoked[subject]
	r.Subject = subject
	return r, nil
}

// Revoke counts the generation up from which on a subject's certificates are taken.
func (s *Store) Revoke(ctx context.Context, subject access.Subject, by string, at time.Time, done ...access.Entry) (access.Revocation, error) {
	if _, err := access.ParseSubject(subject.String()); err != nil {
		return access.Revocation{}, err
	}
	if err := s.enter(ctx); err != nil {
		return access.Revocation{}, err
	}
	defer s.mu.Unlock()
	revoked := maps.Clone(s.register.now.Revoked)
	r := access.Revocation{Subject: subject, Least: revoked[subject].Least + 1, By: by, At: at, Revision: s.wrote()}
	revoked[subject] = r
	s.register.now.Revoked = revoked
	s.noted(done)
	return r, nil
}

// PutAuthorities writes who signs certificates where that still has a.Revision.
func (s *Store) PutAuthorities(ctx context.Context, a access.Authorities) (access.Authorities, error) {
	if err := s.enter(ctx); err != nil {
		return access.Authorities{}, err
	}
	defer s.mu.Unlock()
	if s.register.now.Authorities.Revision != a.Revision {
		return access.Authorities{}, fmt.Errorf("authorities: %w", cluster.ErrConflict)
	}
	a.Revision = s.wrote()
	s.register.now.Authorities = a
	return a, nil
}

// PutKeyring writes which key seals the secrets where that still has k.Revision, and the
// authorities have theirs.
func (s *Store) PutKeyring(ctx context.Context, k access.Keyring, authorities int64, done ...access.Entry) (access.Keyring, error) {
	if err := s.enter(ctx); err != nil {
		return access.Keyring{}, err
	}
	defer s.mu.Unlock()
	if s.register.now.Keyring.Revision != k.Revision || s.register.now.Authorities.Revision != authorities {
		return access.Keyring{}, fmt.Errorf("keyring: %w", cluster.ErrConflict)
	}
	k.Revision = s.wrote()
	s.noted(done)
	s.register.now.Keyring = clonedKeyring(k)
	return k, nil
}

// Keyring returns which key seals the secrets.
func (s *Store) Keyring(ctx context.Context) (access.Keyring, error) {
	if err := s.enter(ctx); err != nil {
		return access.Keyring{}, err
	}
	defer s.mu.Unlock()
	return clonedKeyring(s.register.now.Keyring), nil
}

// clonedKeyring cuts a keyring's ties to the caller.
func clonedKeyring(k access.Keyring) access.Keyring {
	k.Former, k.Ended = slices.Clone(k.Former), slices.Clone(k.Ended)
	return k
}

// Register reads all accounts, revocations, authorities and the keyring.
func (s *Store) Register(ctx context.Context) (access.Register, error) {
	if err := s.enter(ctx); err != nil {
		return access.Register{}, err
	}
	defer s.mu.Unlock()
	return s.whole(), nil
}

func (s *Store) whole() access.Register {
	whole := s.register.now
	whole.Revision = s.revision
	return whole
}

// FollowRegister hands over the register and each change of it, as edge/store's does.
func (s *Store) FollowRegister(ctx context.Context, deliver func(access.Register) error) error {
	bell := s.on.NewBell()
	s.attend(bell)
	defer s.leave(bell)
	var known int64 // before the first: none
	confirm, due := true, s.on.Now().Add(s.confirmEvery)
	for {
		register, changed, there := s.registerSince(known)
		if there && (changed || confirm) {
			if err := deliver(register); err != nil {
				return err
			}
			known = register.Revision
		}
		if err := bell.Wait(ctx, due); err != nil {
			return err
		}
		now := s.on.Now()
		if confirm = !now.Before(due); confirm {
			due = now.Add(s.confirmEvery)
		}
	}
}

func (s *Store) attend(bell runtime.Bell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.register.readers = append(s.register.readers, bell)
}

func (s *Store) leave(bell runtime.Bell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.register.readers = slices.DeleteFunc(s.register.readers, func(other runtime.Bell) bool { return other == bell })
}

// registerSince is the register and whether it has changed, unless the store is away.
func (s *Store) registerSince(known int64) (register access.Register, changed, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return register, false, false
	}
	return s.whole(), known == 0 || s.register.changed > known, true
}
