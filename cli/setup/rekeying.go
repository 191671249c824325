package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/sealing"
)

// vault is where secrets are kept, and what says with which key they are sealed.
type vault interface {
	Register(ctx context.Context) (access.Register, error)
	Machines(ctx context.Context) ([]cluster.Machine, error)
	PutKeyring(ctx context.Context, k access.Keyring, authorities int64, done ...access.Entry) (access.Keyring, error)
	PutAuthorities(ctx context.Context, a access.Authorities) (access.Authorities, error)
	Secrets(ctx context.Context) ([]cluster.Secret, error)
	PutSecret(ctx context.Context, secret cluster.Secret, keyring int64, done ...access.Entry) (cluster.Secret, error)
}

// rekeying replaces the key that secrets are sealed with while the cluster runs: all
// members that run get the new one, then it seals, then everything is sealed anew, then
// the former ones are forgotten. At each moment each of these members can open all that
// is stored. One that was interrupted goes on, on any member.
type rekeying struct {
	store vault
	file  sealing.File // this member's
	self  cluster.MachineID
	ask   func(ctx context.Context, m cluster.Machine) (held []string, err error)
	tell  func(line string)
	now   func() time.Time
	by    string
}

// rekeyPatience is how long members are waited for. They hear of a key within seconds.
const rekeyPatience = 2 * time.Minute

// replace returns the id of the key that seals from now on.
func (r *rekeying) replace(ctx context.Context) (key string, err error) {
	register, err := r.store.Register(ctx)
	if err != nil {
		return "", err
	}
	ring := register.Keyring
	switch {
	case !ring.Replacing():
		ring, err = r.begin(ctx, register)
	case ring.Next != "":
		r.tell("an earlier replacement is gone on with")
		ring, err = r.unlessLost(ctx, register)
	default:
		r.tell("an earlier replacement is gone on with")
	}
	if err == nil && ring.Next != "" {
		ring, err = r.turn(ctx, ring, register.Authorities.Revision)
	}
	if err != nil {
		return "", err
	}
	r.tell("all secrets are sealed with the key " + ring.Seals + " ...")
	if ring, err = r.finish(ctx, ring); err != nil {
		return "", err
	}
	err = r.all(ctx, func(held []string) error {
		if late := slices.DeleteFunc(held, func(id string) bool { return !slices.Contains(ring.Ended, id) }); len(late) > 0 {
			return fmt.Errorf("it has the key %s still", strings.Join(late, ", "))
		}
		return nil
	})
	if err != nil {
		r.tell("not every member has forgotten the former key yet; each does by itself: " + err.Error())
	}
	return ring.Seals, nil
}

// begin makes another key, which is in this member's file before anybody hears of it. It
// takes the place of all that members have, also of one that came no further than this.
func (r *rekeying) begin(ctx context.Context, register access.Register) (access.Keyring, error) {
	held, err := r.file.Held()
	if err != nil {
		return access.Keyring{}, err
	}
	err = r.all(ctx, func(others []string) error {
		held = append(held, others...)
		return nil
	})
	if err != nil {
		return access.Keyring{}, err
	}
	line := sealing.NewKey()
	if err := r.file.Add(line); err != nil {
		return access.Keyring{}, err
	}
	next, _, _ := strings.Cut(line, " ")
	return r.put(ctx, register.Keyring.Beginning(held, next), register.Authorities.Revision, "begin to replace the key of secrets")
}

// unlessLost begins again with another key where no member has the next one: it was
// lost with the member that made it, and nothing is sealed with it yet.
func (r *rekeying) unlessLost(ctx context.Context, register access.Register) (access.Keyring, error) {
	ring := register.Keyring
	has := errors.New("it has it")
	err := r.all(ctx, func(held []string) error {
		if slices.Contains(held, ring.Next) {
			return has
		}
		return nil
	}, has)
	if errors.Is(err, has) {
		return ring, nil
	}
	if err != nil {
		return ring, err
	}
	r.tell("the key " + ring.Next + " was lost: there is to be another one")
	return r.begin(ctx, register)
}

// turn has the next key seal, once all members that run have it.
func (r *rekeying) turn(ctx context.Context, ring access.Keyring, authorities int64) (access.Keyring, error) {
	r.tell("all members get the key " + ring.Next + " ...")
	err := r.all(ctx, func(held []string) error {
		if !slices.Contains(held, ring.Next) {
			return fmt.Errorf("it has not got the key %s yet", ring.Next)
		}
		return nil
	})
	if err != nil {
		return ring, err
	}
	return r.put(ctx, ring.Turned(), authorities, "have another key seal secrets")
}

// finish ends the former keys once nothing is sealed with them. What others write
// meanwhile is sealed with the new one, which the store sees to.
func (r *rekeying) finish(ctx context.Context, ring access.Keyring) (access.Keyring, error) {
	for {
		err := r.reseal(ctx, ring)
		if errors.Is(err, cluster.ErrConflict) {
			if err = r.still(ctx, ring); err == nil {
				continue
			}
		}
		if err != nil {
			return ring, err
		}
		authorities, err := r.resealAuthorities(ctx, ring)
		if err == nil {
			var ended access.Keyring
			if ended, err = r.put(ctx, ring.Finished(), authorities, "end the former key of secrets"); err == nil {
				return ended, nil
			}
		}
		if !errors.Is(err, cluster.ErrConflict) {
			return ring, err
		}
		if err := r.still(ctx, ring); err != nil {
			return ring, err
		}
	}
}

// still refuses to go on where somebody else has gone on with the keyring.
func (r *rekeying) still(ctx context.Context, ring access.Keyring) error {
	register, err := r.store.Register(ctx)
	if err == nil && register.Keyring.Revision != ring.Revision {
		err = errors.New("somebody else replaces the key, too; call this again to see it done")
	}
	return err
}

// reseal seals every version anew that a former key opens. It goes on behind a secret
// that another has written meanwhile, and says so by cluster.ErrConflict. What no key
// here opens is told; it is a fault where a former key should.
func (r *rekeying) reseal(ctx context.Context, ring access.Keyring) error {
	all, err := r.store.Secrets(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, secret := range all {
		next, changed, unopened := secret.Resealed(ring.Seals, r.file.Reseal)
		if changed {
			if _, err := r.store.PutSecret(ctx, next, ring.Revision, r.entry("seal secret "+string(secret.Name)+" anew", ring.Seals)); err != nil {
				faults = append(faults, err)
			}
		}
		switch {
		case unopened == nil:
		case slices.ContainsFunc(next.Versions, func(v cluster.SecretVersion) bool { return slices.Contains(ring.Former, v.Sealed.Key) }):
			faults = append(faults, fmt.Errorf("%w; give it another value or remove it, then call this again", unopened))
		default:
			r.tell("WARNING: left as it is: " + unopened.Error())
		}
	}
	return errors.Join(faults...)
}

// resealAuthorities seals the newest authorities' keys anew, and returns the revision at
// which that is so.
func (r *rekeying) resealAuthorities(ctx context.Context, ring access.Keyring) (int64, error) {
	register, err := r.store.Register(ctx)
	if err != nil {
		return 0, err
	}
	now, changed := register.Authorities, false
	for _, key := range []*string{&now.Key, &now.Peers.Key} {
		if *key == "" {
			continue
		}
		again, differs, err := r.file.Resealed(ring.Seals, *key)
		if err != nil {
			return 0, err
		}
		*key, changed = again, changed || differs
	}
	if changed {
		now, err = r.store.PutAuthorities(ctx, now)
	}
	return now.Revision, err
}

func (r *rekeying) put(ctx context.Context, ring access.Keyring, authorities int64, did string) (access.Keyring, error) {
	ring.By, ring.At = r.by, r.now()
	key := ring.Next
	if key == "" {
		key = ring.Seals
	}
	return r.store.PutKeyring(ctx, ring, authorities, r.entry(did, key))
}

func (r *rekeying) entry(did, key string) access.Entry {
	entry := ruled(did)
	entry.By, entry.Note = r.by, "key "+key
	return entry
}

// all waits until each member that runs is as it should be, this one among them, or
// until check returns the error that ends the waiting.
func (r *rekeying) all(ctx context.Context, check func(held []string) error, ends ...error) error {
	ctx, stop := context.WithTimeout(ctx, rekeyPatience)
	defer stop()
	for {
		machines, err := r.store.Machines(ctx)
		faults := []error{err}
		here := false
		for _, m := range machines {
			if !m.Member {
				continue
			}
			here = here || m.ID == r.self
			held, err := r.ask(ctx, m)
			if err == nil {
				err = check(held)
			}
			if err != nil && slices.Contains(ends, err) {
				return err
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("member %s (%s): %w", m.ID, m.Name, err))
			}
		}
		if !here {
			faults = append(faults, errors.New("this member is not listed: fleet.service is to run on it"))
		}
		if err = errors.Join(faults...); err == nil {
			return nil
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return fmt.Errorf("wait for all members; call this again to go on: %w", err)
		}
	}
}
