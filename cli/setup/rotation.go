package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
)

// succession is where the authorities that all machines go by are kept.
type succession interface {
	Register(ctx context.Context) (access.Register, error)
	PutAuthorities(ctx context.Context, a access.Authorities) (access.Authorities, error)
	Machines(ctx context.Context) ([]cluster.Machine, error)
}

// rotation replaces the cluster's authority while the cluster runs: the new one is
// trusted by all, then it signs, then it stands alone. One that was interrupted goes
// on, on any member.
type rotation struct {
	store succession
	// begin has another authority stand behind the one that signs.
	begin func() (access.Authorities, error)
	// turn is a bundle with the authority of this hash first, alone one with no other.
	turn, alone func(bundle, newest string) (string, error)
	// ask learns which authority signed what a machine shows; an error if it refuses
	// certificates of the newest.
	ask  func(ctx context.Context, m cluster.Machine, a access.Authorities) (signer string, err error)
	tell func(line string)
	now  func() time.Time
	by   string
}

const (
	// rotationPatience is how long all machines are waited for. Those that are no
	// members ask every few minutes.
	rotationPatience = 10 * time.Minute
	rotationPause    = time.Second
)

// replace has another authority sign. The one before is trusted until end, so that
// machines that are off may come back before.
func (r *rotation) replace(ctx context.Context) error {
	register, err := r.store.Register(ctx)
	if err != nil {
		return err
	}
	now := register.Authorities
	if !now.Replacing() {
		if now, err = r.start(ctx, now.Revision); err != nil {
			return err
		}
	}
	if now.Signs != now.Newest {
		r.tell("the new authority " + now.Newest + " is made known to all machines ...")
		trusted := func(string) error { return nil }
		if err := r.all(ctx, now, trusted); err != nil {
			return err
		}
		next := now
		if next.Bundle, err = r.turn(now.Bundle, now.Newest); err != nil {
			return err
		}
		next.Signs = now.Newest
		if now, err = r.put(ctx, next); err != nil {
			return err
		}
	}
	r.tell("all machines get certificates that it has signed ...")
	return r.all(ctx, now, func(signer string) error {
		if signer != now.Newest {
			return fmt.Errorf("its certificate is of %s still", signer)
		}
		return nil
	})
}

func (r *rotation) start(ctx context.Context, revision int64) (access.Authorities, error) {
	first, err := r.begin()
	if err != nil {
		return first, err
	}
	first.Revision = revision
	return r.put(ctx, first)
}

// end has the former authority not be trusted any more. replace has come to its end.
func (r *rotation) end(ctx context.Context) error {
	register, err := r.store.Register(ctx)
	if err != nil {
		return err
	}
	now := register.Authorities
	switch {
	case !now.Replacing():
		return errors.New("one authority is trusted, and no other is to take its place")
	case now.Signs != now.Newest:
		return errors.New("the new authority does not sign yet: `argosy ca rotate` goes on with it")
	}
	if now.Bundle, err = r.alone(now.Bundle, now.Newest); err != nil {
		return err
	}
	now.Former = ""
	_, err = r.put(ctx, now)
	return err
}

func (r *rotation) put(ctx context.Context, a access.Authorities) (access.Authorities, error) {
	a.By, a.At = r.by, r.now()
	return r.store.PutAuthorities(ctx, a)
}

// all waits until each machine of the cluster is as it should be.
func (r *rotation) all(ctx context.Context, a access.Authorities, check func(signer string) error) error {
	ctx, stop := context.WithTimeout(ctx, rotationPatience)
	defer stop()
	arrived := map[cluster.MachineID]bool{}
	for {
		machines, err := r.store.Machines(ctx)
		var faults []error
		if err != nil {
			faults = append(faults, err)
		}
		for _, m := range machines {
			if arrived[m.ID] {
				continue
			}
			signer, err := r.ask(ctx, m, a)
			if err == nil {
				err = check(signer)
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("machine %s (%s): %w", m.ID, m.Name, err))
				continue
			}
			arrived[m.ID] = true
		}
		if len(faults) == 0 {
			return nil
		}
		select {
		case <-time.After(rotationPause):
		case <-ctx.Done():
			return fmt.Errorf("wait for all machines; call this again to go on: %w", errors.Join(faults...))
		}
	}
}
