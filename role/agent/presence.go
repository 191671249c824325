package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"argosy/core/cluster"
	"argosy/role/runtime"
)

// Bounds of keeping the machine known.
const (
	// presenceRetry is the pause after a store that did not answer.
	presenceRetry = time.Second
	// callTime is how long one call for the machine's presence may take.
	callTime = 3 * time.Second
	// recordCheck is how often the machine looks for its own record.
	recordCheck = time.Minute
)

// presence is the machine's lease and record in the store. It belongs to the
// goroutine of stayPresent, and to Leave after it.
type presence struct {
	bell  runtime.Bell // the lease may be gone, or the record is to be another
	lease int64        // 0 for none
	lost  bool         // a lease of this boot ended before it was renewed
	// renewed is when a lease was last granted or renewed, in this life of the agent.
	renewed time.Time
	known   bool // the record was this machine's before, in this life of the agent
	ended   *runtime.Gate
}

// registration tells the desk under which lease states are published, and
// which were already. The lease is 0 when there is none.
type registration struct {
	lease   int64
	states  []cluster.UnitState
	refused bool // another machine holds the record: touch nothing
	// returned says that the machine had counted as lost, away since when.
	returned bool
	away     time.Time
}

// stayPresent keeps the machine's lease and record until ctx ends. A store that
// is away changes nothing: the lease is renewed once it answers, or granted
// anew if it has ended meanwhile.
func (a *Agent) stayPresent(ctx context.Context) {
	defer a.presence.ended.Open()
	for ctx.Err() == nil {
		r, err := a.register(ctx)
		if err != nil {
			a.trouble(ctx, fmt.Errorf("register this machine: %w", err))
			_ = runtime.Sleep(ctx, a.on, a.afterRefusal(ctx, err)) // ends with ctx
			continue
		}
		a.health.well(a.on.Now())
		a.health.admit(true)
		a.health.bind(r.lease)
		a.log.Info("registered", "machine", a.config.Machine.ID, "lease", r.lease, "states", len(r.states))
		if a.mail.Send(ctx, r) == nil {
			a.keepLease(ctx)
		}
	}
}

// afterRefusal has nothing touched where another machine holds the record, and
// returns how long to wait.
func (a *Agent) afterRefusal(ctx context.Context, err error) time.Duration {
	var refused *refusedError
	if !errors.As(err, &refused) {
		return presenceRetry
	}
	a.health.admit(false)
	_ = a.mail.Send(ctx, registration{refused: true}) // ends with ctx
	if refused.lives {
		return refusedRetry
	}
	return presenceRetry
}

// register has the machine's record stand in the store under a lease that lives.
func (a *Agent) register(ctx context.Context) (registration, error) {
	ctx, cancel := a.on.WithTimeout(ctx, 3*callTime)
	defer cancel()
	p := &a.presence
	adopted, err := a.adoptLease(ctx)
	if err != nil {
		return registration{}, err
	}
	old, found, err := a.record(ctx)
	if err != nil {
		return registration{}, err
	}
	if found && old.BootID != a.config.Machine.BootID {
		if err := a.mayTakeOver(ctx, old); err != nil {
			a.giveUpLease(ctx)
			return registration{}, err
		}
	}
	exchanged := adopted && a.wantsOtherLease(old)
	if !adopted || exchanged {
		if err := a.grantLease(ctx); err != nil {
			return registration{}, err
		}
	}
	if err := a.putRecord(ctx, old, found); err != nil {
		if errors.Is(err, cluster.ErrLeaseGone) {
			p.lease = 0
		}
		return registration{}, err
	}
	if found && old.Lease != p.lease && !exchanged {
		// What was bound to it is of a life before: of another boot, or of a
		// fleetd whose lease was not kept. An exchanged lease ends by itself: by
		// then all that was bound to it has been written anew.
		if err := a.store.RevokeLease(ctx, old.Lease); err != nil && !errors.Is(err, cluster.ErrLeaseGone) {
			a.log.Warn("the lease before this one ends by itself", "error", err)
		}
	}
	p.known = true
	r := registration{lease: p.lease, returned: p.lost, away: p.renewed}
	p.lost, p.renewed = false, a.on.Now()
	if adopted && !exchanged {
		r.states, err = a.store.States(ctx, a.config.Machine.ID)
	}
	return r, err
}

// record is the machine's record as it stands, if there is one.
func (a *Agent) record(ctx context.Context) (m cluster.Machine, found bool, err error) {
	m, err = a.store.Machine(ctx, a.config.Machine.ID)
	if errors.Is(err, cluster.ErrNotFound) {
		return cluster.Machine{}, false, nil
	}
	return m, err == nil, err
}

// adoptLease says whether there is a lease that lives: the one at hand, or the
// one kept from fleetd's life before. It is renewed first of all, whatever else
// may take long.
func (a *Agent) adoptLease(ctx context.Context) (adopted bool, err error) {
	p := &a.presence
	if p.lease != 0 {
		return true, nil
	}
	kept, err := a.disk.Lease()
	if err != nil {
		a.log.Warn("the lease that was kept is of no use", "error", err)
	}
	if kept != 0 {
		err := a.store.KeepAlive(ctx, kept)
		if err == nil {
			p.lease = kept
			return true, nil
		}
		if !errors.Is(err, cluster.ErrLeaseGone) {
			return false, err
		}
		p.lost = true
	}
	return false, nil
}

func (a *Agent) grantLease(ctx context.Context) error {
	_, ttl := a.self.now()
	lease, err := a.store.GrantLease(ctx, ttl)
	if err != nil {
		return err
	}
	a.presence.lease = lease
	if err := a.disk.SaveLease(lease); err != nil {
		a.log.Warn("a restarted fleetd will need a new lease", "error", err)
	}
	return nil
}

// wantsOtherLease says whether the lease at hand, which the record old is bound
// to, was granted for another time than it should last.
func (a *Agent) wantsOtherLease(old cluster.Machine) bool {
	m, _ := a.self.now()
	return old.Lease == a.presence.lease && old.TTLSeconds != 0 && old.TTLSeconds != m.TTLSeconds
}

// putRecord writes the machine's record where it is not already so.
func (a *Agent) putRecord(ctx context.Context, old cluster.Machine, found bool) error {
	m, _ := a.self.now()
	m.Lease, m.Since, m.Revision = a.presence.lease, a.on.Now().UTC().Truncate(time.Millisecond), old.Revision
	if found && old.BootID == m.BootID {
		m.Since = old.Since
	}
	if found && sameRecord(old, m) {
		return nil
	}
	_, err := a.store.PutMachine(ctx, m)
	return err
}

// sameRecord compares what the store would hold.
func sameRecord(a, b cluster.Machine) bool {
	was, errA := json.Marshal(a)
	is, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(was) == string(is)
}

// keepLease renews the lease until it, or the record, is gone, and has the record
// say what it should. Each renewal is a call of its own: a stream would hang for
// as long as a dead member's connection does. Renewing comes first: a record that
// cannot be written must not cost the lease.
func (a *Agent) keepLease(ctx context.Context) {
	p := &a.presence
	_, ttl := a.self.now()
	next, checked, news := ttl/3, a.on.Now(), false
	for p.bell.Wait(ctx, a.on.Now().Add(next)) == nil {
		news = a.self.poked() || news
		next = ttl / 3
		asked := a.on.Now()
		err := a.bounded(ctx, func(ctx context.Context) error { return a.store.KeepAlive(ctx, p.lease) })
		if err == nil {
			p.renewed = asked
		}
		if errors.Is(err, cluster.ErrLeaseGone) {
			a.log.Warn("the machine's lease has ended", "lease", p.lease)
			p.lease, p.lost = 0, true
			a.health.bind(0)
			_ = a.mail.Send(ctx, registration{}) // ends with ctx
			return
		}
		news = a.self.forget() || news
		if err == nil && (news || a.on.Now().Sub(checked) >= recordCheck) {
			var anew bool
			err = a.bounded(ctx, func(ctx context.Context) (err error) {
				anew, err = a.tendRecord(ctx)
				return err
			})
			if anew {
				return
			}
			checked, news = a.on.Now(), err != nil
		}
		if err != nil {
			a.trouble(ctx, err)
			next = presenceRetry
			continue
		}
		a.health.well(a.on.Now())
	}
}

// tendRecord has the machine's record say what it should, and says whether the
// machine must register anew: because the record is not its own any more, or
// because its lease is to be another one.
func (a *Agent) tendRecord(ctx context.Context) (anew bool, err error) {
	old, found, err := a.record(ctx)
	if err != nil {
		return false, err
	}
	if !found || old.Lease != a.presence.lease || old.BootID != a.config.Machine.BootID {
		a.log.Warn("the machine's record is not its own any more")
		return true, nil
	}
	if m, _ := a.self.now(); old.TTLSeconds != m.TTLSeconds {
		return true, nil
	}
	return false, a.putRecord(ctx, old, true)
}

func (a *Agent) bounded(ctx context.Context, call func(context.Context) error) error {
	_, ttl := a.self.now()
	ctx, cancel := a.on.WithTimeout(ctx, min(callTime, ttl/3))
	defer cancel()
	return call(ctx)
}
