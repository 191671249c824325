package setup

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"argosy/core/access"
	"argosy/core/cluster"
)

// succession is where the authorities that all machines go by are kept.
type succession interface {
	Register(ctx context.Context) (access.Register, error)
	PutAuthorities(ctx context.Context, a access.Authorities) (access.Authorities, error)
	Machines(ctx context.Context) ([]cluster.Machine, error)
	// Members are the client URLs of the store's members.
	Members(ctx context.Context) ([]string, error)
	// Settled is nil where one of the store's members may be stopped for a while.
	Settled(ctx context.Context) error
}

// met is what a machine shows to who connects, compared with authorities that it
// should go by.
type met struct {
	signer string // the one that has issued its certificate
	trusts bool   // it trusts these and no other
}

// rotation replaces the authorities while the cluster runs: the new ones are trusted
// by all, then they sign, then they stand alone. One that was interrupted goes on, on
// any member.
type rotation struct {
	store succession
	// begin has other authorities stand behind those that sign.
	begin func() (access.Authorities, error)
	// turn is a bundle with the authority of this hash first, alone one with no other.
	turn, alone func(bundle, newest string) (string, error)
	// ask has a machine look what it is to go by, and meets it; askPeer meets the
	// store's member on a machine as its peers do.
	ask, askPeer func(ctx context.Context, m cluster.Machine, s access.Succession) (met, error)
	tell         func(line string)
	now          func() time.Time
	by           string
}

const (
	// rotationPatience is how long machines are waited for.
	rotationPatience = 10 * time.Minute
	// rotationPause is how long after a machine has not arrived it is asked again.
	rotationPause = 200 * time.Millisecond
	// rotationAsks is how many machines are asked at a time.
	rotationAsks = 32
)

// replace has other authorities sign. Those before are trusted until end, so that
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
		if now, err = r.trusted(ctx, now); err != nil {
			return err
		}
		if now, err = r.sign(ctx, now); err != nil {
			return err
		}
	}
	r.tell("all machines get certificates that it has signed ...")
	return r.signed(ctx, now)
}

func (r *rotation) start(ctx context.Context, revision int64) (access.Authorities, error) {
	if _, err := r.members(ctx); err != nil {
		return access.Authorities{}, err
	}
	first, err := r.begin()
	if err != nil {
		return first, err
	}
	first.Revision = revision
	return r.put(ctx, first)
}

// sign has the newest authorities sign.
func (r *rotation) sign(ctx context.Context, now access.Authorities) (access.Authorities, error) {
	for _, s := range successions(&now) {
		var err error
		if s.Bundle, err = r.turn(s.Bundle, s.Newest); err != nil {
			return now, err
		}
		s.Signs = s.Newest
	}
	return r.put(ctx, now)
}

// successions are those of the cluster and of the store's peers, where these are
// replaced too.
func successions(a *access.Authorities) []*access.Succession {
	if a.Peers.Bundle == "" {
		return []*access.Succession{&a.Succession}
	}
	return []*access.Succession{&a.Succession, &a.Peers}
}

// end has the former authorities not be trusted any more, once all show certificates
// of the newest.
func (r *rotation) end(ctx context.Context) error {
	register, err := r.store.Register(ctx)
	if err != nil {
		return err
	}
	now := register.Authorities
	switch {
	case now.Bundle == "":
		return errors.New("one authority is trusted, and no other is to take its place")
	case now.Replacing() && now.Signs != now.Newest:
		return errors.New("the new authority does not sign yet: `argosy ca rotate` goes on with it")
	case now.Replacing():
		if err := r.signed(ctx, now); err != nil {
			return err
		}
		for _, s := range successions(&now) {
			if s.Bundle, err = r.alone(s.Bundle, s.Newest); err != nil {
				return err
			}
			s.Former = ""
		}
		if now, err = r.put(ctx, now); err != nil {
			return err
		}
	}
	r.tell("the former authority is forgotten by all machines ...")
	_, err = r.trusted(ctx, now)
	return err
}

func (r *rotation) put(ctx context.Context, a access.Authorities) (access.Authorities, error) {
	a.By, a.At = r.by, r.now()
	return r.store.PutAuthorities(ctx, a)
}

// members are the machines that run the store. One that is off could not be told: it
// would know no other any more.
func (r *rotation) members(ctx context.Context) ([]cluster.Machine, error) {
	machines, err := r.store.Machines(ctx)
	if err != nil {
		return nil, err
	}
	urls, err := r.store.Members(ctx)
	if err != nil {
		return nil, err
	}
	machines = slices.DeleteFunc(machines, func(m cluster.Machine) bool { return !m.Member })
	for _, text := range urls {
		at, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("read a member's client URL: %w", err)
		}
		host := at.Hostname()
		if !slices.ContainsFunc(machines, func(m cluster.Machine) bool { return m.Address == host || m.Name == host }) {
			return nil, fmt.Errorf("the member of the store at %s is of no machine that is listed (fleetctl list-machines): start etcd and fleet there, or put the machine out with `argosy ca revoke`", text)
		}
	}
	return machines, nil
}

// trusted waits until all machines trust the authorities that they should, and no
// other. etcd reads those of its peers when it starts.
func (r *rotation) trusted(ctx context.Context, now access.Authorities) (access.Authorities, error) {
	arrived := func(is met) error {
		if !is.trusts {
			return errors.New("it does not go by the cluster's authorities yet")
		}
		return nil
	}
	if err := r.all(ctx, r.store.Machines, now.Succession, r.ask, arrived); err != nil || now.Peers.Bundle == "" {
		return now, err
	}
	members, err := r.members(ctx)
	if err != nil {
		return now, err
	}
	for _, m := range members {
		if err := r.until(ctx, "wait for all members of the store, before one starts anew", r.store.Settled); err != nil {
			return now, err
		}
		if is, err := r.askPeer(ctx, m, now.Peers); err == nil && is.trusts {
			continue
		}
		r.tell("etcd on " + m.Name + " starts anew ...")
		now.Turn = m.ID
		if now, err = r.put(ctx, now); err != nil {
			return now, err
		}
		one := func(context.Context) ([]cluster.Machine, error) { return []cluster.Machine{m}, nil }
		if err := r.all(ctx, one, now.Peers, r.askPeer, arrived); err != nil {
			return now, err
		}
	}
	if now.Turn == "" {
		return now, nil
	}
	if err := r.until(ctx, "wait for all members of the store", r.store.Settled); err != nil {
		return now, err
	}
	now.Turn = ""
	return r.put(ctx, now)
}

// signed waits until all machines show certificates of the newest authorities.
func (r *rotation) signed(ctx context.Context, now access.Authorities) error {
	by := func(s access.Succession) func(met) error {
		return func(is met) error {
			if is.signer != s.Newest {
				return fmt.Errorf("its certificate is of %s still", is.signer)
			}
			return nil
		}
	}
	if err := r.all(ctx, r.store.Machines, now.Succession, r.ask, by(now.Succession)); err != nil || now.Peers.Bundle == "" {
		return err
	}
	return r.all(ctx, r.members, now.Peers, r.askPeer, by(now.Peers))
}

type (
	listing func(ctx context.Context) ([]cluster.Machine, error)
	meeting func(ctx context.Context, m cluster.Machine, s access.Succession) (met, error)
)

// all waits until each machine of those that are listed is as it should be.
func (r *rotation) all(ctx context.Context, list listing, s access.Succession, ask meeting, check func(met) error) error {
	arrived := map[cluster.MachineID]bool{}
	return r.until(ctx, "wait for all machines", func(ctx context.Context) error {
		machines, err := list(ctx)
		if err != nil {
			return err
		}
		machines = slices.DeleteFunc(machines, func(m cluster.Machine) bool { return arrived[m.ID] })
		faults := make([]error, len(machines))
		var asking errgroup.Group
		asking.SetLimit(rotationAsks)
		for i, m := range machines {
			asking.Go(func() error {
				is, err := ask(ctx, m, s)
				if err == nil {
					err = check(is)
				}
				if err != nil {
					faults[i] = fmt.Errorf("machine %s (%s): %w", m.ID, m.Name, err)
				}
				return nil // all faults are told, below
			})
		}
		_ = asking.Wait()
		for i, m := range machines {
			arrived[m.ID] = faults[i] == nil
		}
		return errors.Join(faults...)
	})
}

// until waits for something that must come about.
func (r *rotation) until(ctx context.Context, what string, so func(context.Context) error) error {
	ctx, stop := context.WithTimeout(ctx, rotationPatience)
	defer stop()
	for {
		err := so(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(rotationPause):
		case <-ctx.Done():
			return fmt.Errorf("%s; call this again to go on: %w", what, err)
		}
	}
}
