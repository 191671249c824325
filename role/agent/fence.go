package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/role/runtime"
)

// Fence is this machine's fence, which ends units with OnPartition=stop when the
// machine has no word from the cluster, whatever the agent does.
type Fence interface {
	// Now is the time by the fence's own clock, which nobody sets.
	Now() time.Duration
	// Extend has the fence stand until a moment by that clock.
	Extend(until time.Duration) error
	// Until is the moment that was said last, also by a life of fleetd before; 0 where
	// none was in this boot.
	Until() (time.Duration, error)
	// Fenced says whether a unit whose text is on the disk is bound to the fence.
	Fenced(unit cluster.UnitName) bool
	// SaveToken keeps what the unit finds as its fencing token when it starts next.
	SaveToken(unit cluster.UnitName, token int64) error
}

const (
	// fenceBeat is how often the cluster is asked whether this machine's record is
	// there, and how long it may take to answer: a silence of six seconds, which is
	// FenceTime without the beat before it and a question that hangs in it, ends no
	// unit.
	fenceBeat = cluster.FenceTime / 5
	// fenceRetry is the pause behind a question that was not answered.
	fenceRetry = fenceBeat / 4
	// fenceSettles is how much later systemd may tell of the fence's fall than of
	// the ends that followed from it.
	fenceSettles = time.Second
)

// fenced are the units here that are bound to the fence.
type fenced struct {
	bell  runtime.Bell // of keepFence
	mu    sync.Mutex
	units map[cluster.UnitName]bool
	until time.Duration // the fence was last told that it may stand
	said  bool          // that this is over
}

// extended notes until when the fence may stand.
func (f *fenced) extended(until time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.until, f.said = max(f.until, until), false
}

// over says that the fence's time is over: it has fallen, or is about to.
func (f *fenced) over(now time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.until != 0 && now > f.until
}

// lapsed says the same once.
func (f *fenced) lapsed(now time.Duration) bool {
	over := f.over(now)
	f.mu.Lock()
	defer f.mu.Unlock()
	over, f.said = over && !f.said, f.said || over
	return over
}

// note says whether a unit is bound to the fence.
func (f *fenced) note(unit cluster.UnitName, bound bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !bound {
		delete(f.units, unit)
		return
	}
	if len(f.units) == 0 {
		f.bell.Ring()
	}
	f.units[unit] = true
}

func (f *fenced) has(unit cluster.UnitName) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.units[unit]
}

func (f *fenced) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.units) > 0
}

// lookFenced notes what the disk says of a unit.
func (a *Agent) lookFenced(unit cluster.UnitName, hasFile bool) {
	a.fenced.note(unit, hasFile && a.config.Fence != nil && a.config.Fence.Fenced(unit))
}

// inTouch says whether the cluster has answered for this machine.
type inTouch struct{ now bool }

// keepFence keeps the fence up while there are units behind it and the cluster
// answers for this machine.
func (a *Agent) keepFence(ctx context.Context) {
	said := inTouch{}
	for ctx.Err() == nil {
		if !a.fenced.any() {
			_ = a.fenced.bell.Wait(ctx, time.Time{}) // an end of ctx ends the loop
			continue
		}
		next := a.on.Now().Add(fenceBeat)
		err := a.renewFence(ctx)
		if err != nil {
			next = a.on.Now().Add(fenceRetry)
		}
		if now := (inTouch{err == nil}); now != said && ctx.Err() == nil {
			said = now
			if err != nil {
				a.log.Warn("out of touch: units with OnPartition=stop end soon", "after", cluster.FenceTime, "error", err)
			}
			_ = a.mail.Send(ctx, now) // ends with ctx
		}
		_ = a.fenced.bell.Wait(ctx, next)
	}
}

// renewFence asks the cluster whether this machine's record is there and, where it
// is, has the fence stand for FenceTime from before the question was asked. That
// the lease could be renewed is not asked: the leader may have ended the record
// before the lease.
func (a *Agent) renewFence(ctx context.Context) error {
	asked := a.config.Fence.Now()
	if a.fenced.lapsed(asked) {
		if err := a.mail.Send(ctx, lapse{}); err != nil {
			return err
		}
	}
	ctx, cancel := a.on.WithTimeout(ctx, fenceBeat)
	defer cancel()
	held, found, err := a.record(ctx)
	switch {
	case err != nil:
		return err
	case !found:
		return errors.New("this machine is not registered")
	case held.BootID != a.config.Machine.BootID:
		return fmt.Errorf("%s at %s holds this machine's record", held.Name, held.Address)
	}
	if err := a.config.Fence.Extend(asked + cluster.FenceTime); err != nil {
		return err
	}
	a.fenced.extended(asked + cluster.FenceTime)
	return nil
}

// passFence has the fence stand for a unit that is about to be started behind it,
// and keeps its token. That it may run here is written first, and then what is
// placed here is read: either the leader that ends the placement finds the state,
// and waits until it is taken away, or the unit is not started. After a partition
// the agent may also hear of its placements later than the fence may stand again.
func (a *Agent) passFence(c *chain, generation int64, hash cluster.Hash) error {
	if err := a.renewFence(c.ctx); err != nil {
		return fmt.Errorf("not started: this machine's fence cannot stand: %w", err)
	}
	ctx, cancel := a.on.WithTimeout(c.ctx, fenceBeat)
	defer cancel()
	if err := a.announce(ctx, c.unit); err != nil {
		return fmt.Errorf("not started: the cluster could not be told of it: %w", err)
	}
	p, err := a.store.Placement(ctx, a.config.Machine.ID, c.unit)
	switch {
	case errors.Is(err, cluster.ErrNotFound):
		return errors.New("not started: it is not placed on this machine any more")
	case err != nil:
		return fmt.Errorf("not started: %w", err)
	case p.Desired != cluster.Launched || p.Generation != generation || p.Hash != hash:
		return errors.New("not started: another generation of it is placed here by now")
	}
	return a.config.Fence.SaveToken(c.unit, p.Revision)
}

// learn: what the fence has ended can be started again, or has to wait.
func (m inTouch) learn(d *desk) {
	d.inTouch = m.now
	for name, e := range d.units {
		if d.fenced.has(name) {
			e.retryAt = time.Time{} // what failed for want of a fence need not wait
			d.mark(name)
		}
	}
}

// markFenced has all units behind the fence planned: something is known of it.
func (d *desk) markFenced() {
	for name := range d.units {
		if d.fenced.has(name) {
			d.lookBehind(name)
			d.mark(name)
		}
	}
}

// fence is the machine's fence as one unit finds it, nil where it is not bound to it.
func (d *desk) fence(name cluster.UnitName, e *entry) *converge.Fence {
	if !d.fenced.has(name) {
		return nil
	}
	if d.seen[name].Up() {
		e.downSince = time.Time{}
	} else if e.downSince.IsZero() {
		e.downSince = d.on.Now()
	}
	if d.fenced.over(d.config.Fence.Now()) {
		e.lapse()
	}
	f := converge.Fence{Status: d.seen[converge.FenceUnit], InTouch: d.inTouch, Over: e.behind.over, Stood: e.behind.stood}
	if !e.downSince.IsZero() {
		settled := e.downSince.Add(fenceSettles)
		if f.Settled = !settled.After(d.on.Now()); !f.Settled {
			d.settling[name] = settled
			d.schedule(settled)
		}
	}
	return &f
}

// settleDue marks the units that have been down for long enough to tell why.
func (d *desk) settleDue(now time.Time) {
	for name, at := range d.settling {
		if at.After(now) {
			d.schedule(at)
			continue
		}
		delete(d.settling, name)
		d.mark(name)
	}
}
