package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"argosy/core/cluster"
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
	lease int64 // 0 for none
	known bool  // the record was this machine's before, in this life of the agent
	ended chan struct{}
}

// registration tells the desk under which lease states are published, and
// which were already. The lease is 0 when there is none.
type registration struct {
	lease   int64
	states  []cluster.UnitState
	refused bool // another machine holds the record: touch nothing
}

// stayPresent keeps the machine's lease and record until ctx ends. A store that
// is away changes nothing: the lease is renewed once it answers, or granted
// anew if it has ended meanwhile.
func (a *Agent) stayPresent(ctx context.Context) {
	defer close(a.presence.ended)
	for ctx.Err() == nil {
		r, err := a.register(ctx)
		if err != nil {
			a.trouble(ctx, fmt.Errorf("register this machine: %w", err))
			pause(ctx, a.afterRefusal(ctx, err))
			continue
		}
		a.health.well()
		a.health.admit(true)
		a.log.Info("registered", "machine", a.config.Machine.ID, "lease", r.lease, "states", len(r.states))
		if send(ctx, a.leases, r) == nil {
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
	_ = send(ctx, a.leases, registration{refused: true}) // ends with ctx
	if refused.lives {
		return refusedRetry
	}
	return presenceRetry
}

// register has the machine's record stand in the store under a lease that lives.
func (a *Agent) register(ctx context.Context) (registration, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*callTime)
	defer cancel()
	p := &a.presence
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
	adopted, err := a.takeLease(ctx)
	if err != nil {
		return registration{}, err
	}
	exchanged, err := a.exchangeLease(ctx, old)
	if err != nil {
		return registration{}, err
	}
	adopted = adopted && !exchanged
	if err := a.putRecord(ctx, old, found); err != nil {
		return registration{}, err
	}
	if found && old.Lease != p.lease && !exchanged {
		// What was bound to it is of a life before: of another boot, or of a
		// fleetd whose lease was not kept.
		if err := a.store.RevokeLease(ctx, old.Lease); err != nil && !errors.Is(err, cluster.ErrLeaseGone) {
			a.log.Warn("the lease before this one ends by itself", "error", err)
		}
	}
	p.known = true
	r := registration{lease: p.lease}
	if adopted {
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

// takeLease has a lease: the one at hand, the one kept from fleetd's life
// before, or a new one. adopted says that it is not new.
func (a *Agent) takeLease(ctx context.Context) (adopted bool, err error) {
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
	}
	return false, a.grantLease(ctx)
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

// exchangeLease grants a new lease where the one at hand was granted for another
// time. The old one is left to end by itself: by then all that was bound to it
// has been written anew.
func (a *Agent) exchangeLease(ctx context.Context, old cluster.Machine) (bool, error) {
	m, _ := a.self.now()
	if old.Lease != a.presence.lease || old.TTLSeconds == 0 || old.TTLSeconds == m.TTLSeconds {
		return false, nil
	}
	return true, a.grantLease(ctx)
}

// putRecord writes the machine's record where it is not already so.
func (a *Agent) putRecord(ctx context.Context, old cluster.Machine, found bool) error {
	m, _ := a.self.now()
	m.Lease, m.Since, m.Revision = a.presence.lease, time.Now().UTC().Truncate(time.Millisecond), old.Revision
	if found && old.BootID == m.BootID {
		m.Since = old.Since
	}
	if found && sameRecord(old, m) {
		return nil
	}
	_, err := a.store.PutMachine(ctx, m)
	if errors.Is(err, cluster.ErrLeaseGone) {
		a.presence.lease = 0
	}
	return err
}

// sameRecord compares what the store would hold.
func sameRecord(a, b cluster.Machine) bool {
	was, errA := json.Marshal(a)
	is, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(was) == string(is)
}

// keepLease renews the lease until it, or the record, is gone, or the record
// should say something else. Each renewal is
// a call of its own: a stream would hang for as long as a dead member's
// connection does.
func (a *Agent) keepLease(ctx context.Context) {
	p := &a.presence
	_, ttl := a.self.now()
	next, checked := ttl/3, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.self.changed:
			return
		case <-a.doubt:
		case <-time.After(next):
		}
		if a.self.forgetRival() {
			return
		}
		err := a.bounded(ctx, func(ctx context.Context) error { return a.store.KeepAlive(ctx, p.lease) })
		switch {
		case err == nil:
			a.health.well()
			next = ttl / 3
		case errors.Is(err, cluster.ErrLeaseGone):
			a.log.Warn("the machine's lease has ended", "lease", p.lease)
			p.lease = 0
			_ = send(ctx, a.leases, registration{}) // ends with ctx
			return
		default:
			a.trouble(ctx, err)
			next = presenceRetry
		}
		if time.Since(checked) >= recordCheck {
			checked = time.Now()
			if !a.recordStands(ctx) {
				a.log.Warn("the machine's record is not its own any more")
				return
			}
		}
	}
}

// recordStands says whether the store holds this machine's record, or does not
// answer.
func (a *Agent) recordStands(ctx context.Context) bool {
	var m cluster.Machine
	err := a.bounded(ctx, func(ctx context.Context) (err error) {
		m, _, err = a.record(ctx)
		return err
	})
	return err != nil || m.Lease == a.presence.lease && m.BootID == a.config.Machine.BootID
}

func (a *Agent) bounded(ctx context.Context, call func(context.Context) error) error {
	_, ttl := a.self.now()
	ctx, cancel := context.WithTimeout(ctx, min(callTime, ttl/3))
	defer cancel()
	return call(ctx)
}

// doubtLease has the lease looked at now.
func (a *Agent) doubtLease() {
	select {
	case a.doubt <- struct{}{}:
	default: // it is about to be
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, long time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
}
