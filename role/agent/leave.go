package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"argosy/core/cluster"
	"argosy/role/runtime"
)

// leaveTries is how often a unit that cannot be stopped is tried when the
// machine leaves.
const leaveTries = 3

// departure is a machine that leaves.
type departure struct {
	stopped *runtime.Mailbox[[]cluster.UnitName] // gets those that could not be stopped
	told    bool
}

// Leave ends this machine's part in the cluster: its units are stopped and
// removed, at most 16 at a time, and then its lease is revoked, so that the
// leader places them elsewhere. Where the store cannot be reached it touches
// nothing and says so. When ctx ends before all have stopped, the lease is
// revoked all the same: the machine is about to go. Run must be running; it
// starts nothing from then on.
func (a *Agent) Leave(ctx context.Context) error {
	if err := a.storeAnswers(ctx); err != nil {
		return fmt.Errorf("leave the cluster: nothing was touched: %w", err)
	}
	if err := a.begun.Wait(ctx); err != nil {
		return fmt.Errorf("leave the cluster: %w", err)
	}
	stopped := runtime.NewMailbox[[]cluster.UnitName](a.on, a.on.NewBell(), 1)
	switch err := a.mail.Send(ctx, departure{stopped: stopped}); {
	case errors.Is(err, runtime.ErrClosed):
		return fmt.Errorf("leave the cluster: %w", errEnded)
	case err != nil:
		return fmt.Errorf("leave the cluster: %w", err)
	}
	err := awaitStopped(ctx, stopped)
	revoke, cancel := a.on.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	if err := errors.Join(err, a.bow(revoke)); err != nil {
		return fmt.Errorf("leave the cluster: %w", err)
	}
	return nil
}

var errEnded = errors.New("the agent has ended")

// awaitStopped waits for the desk, which stops all units.
func awaitStopped(ctx context.Context, stopped *runtime.Mailbox[[]cluster.UnitName]) error {
	left, err := stopped.Receive(ctx)
	switch {
	case errors.Is(err, runtime.ErrClosed):
		return errEnded
	case err != nil:
		return fmt.Errorf("not all units have stopped: %w", err)
	case len(left) > 0:
		return fmt.Errorf("left running here: %s", join(left))
	}
	return nil
}

func join(names []cluster.UnitName) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = string(name)
	}
	return strings.Join(words, ", ")
}

func (a *Agent) storeAnswers(ctx context.Context) error {
	ctx, cancel := a.on.WithTimeout(ctx, callTime)
	defer cancel()
	_, _, err := a.record(ctx)
	return err
}

// bow takes the machine's leave of the store: with the lease go its record and
// its units' states.
func (a *Agent) bow(ctx context.Context) error {
	a.endPresence()
	if err := a.presence.ended.Wait(ctx); err != nil {
		return err
	}
	err := a.disk.ForgetLease()
	if lease := a.presence.lease; lease != 0 {
		err = errors.Join(err, a.depart(ctx))
		revoked := a.store.RevokeLease(ctx, lease)
		if errors.Is(revoked, cluster.ErrLeaseGone) {
			revoked = nil
		}
		err = errors.Join(err, revoked)
	}
	return err
}

// learn has every unit of ours planned as one that has no business here.
func (p departure) learn(d *desk) {
	if d.departure != nil {
		p.stopped.Offer(nil) // it leaves, or has left, already
		return
	}
	d.departure = &p
	for _, name := range slices.Sorted(maps.Keys(d.units)) {
		e := d.units[name]
		d.clear(name, e)
		if e.interrupt != nil {
			e.interrupt()
		}
		d.mark(name)
	}
}

// checkLeft tells who asked for the leave once nothing more can be stopped.
func (d *desk) checkLeft() {
	if d.departure == nil || d.departure.told || !d.systemdRead {
		return
	}
	var left []cluster.UnitName
	for _, name := range slices.Sorted(maps.Keys(d.units)) {
		e := d.units[name]
		if !e.hasFile && e.record == nil && !e.leftover && e.interrupt == nil {
			continue
		}
		if e.failures < leaveTries {
			return
		}
		left = append(left, name)
	}
	d.departure.told = true
	d.board.renew(0, nil) // nothing is published from here on
	d.departure.stopped.Offer(left)
}

// retryPause grows with the failures, but not while the machine leaves.
func (d *desk) retryPause(failures int) time.Duration {
	if d.departure != nil {
		return firstRetry
	}
	return min(firstRetry<<min(failures, 10), lastRetry)
}
