package agent

import (
	"context"
	"time"

	"argosy/core/cluster"
)

// A write of states whose answer was lost may have been done, and may yet be: a
// member of the store that was stopped finds it in its socket when it goes on, when
// this machine has long written what came after. Nothing in the store tells an old
// state from a new one, and nobody but this machine would ever correct it. So what
// the store holds is compared with what was written, some time after.

// doubts is when the store is asked, after the last write with an outcome that is
// not known.
var doubts = [...]time.Duration{time.Minute, 10 * time.Minute}

// held is what the store holds of this machine's states.
type held struct {
	lease  int64
	states []cluster.UnitState
	err    error
}

// doubt notes that the store may come to hold what is so no more.
func (b *board) doubt(now time.Time) { b.doubted = now }

// checkDue is when to ask the store what it holds; zero where there is no doubt.
func (b *board) checkDue() time.Time {
	if b.doubted.IsZero() || b.lease == 0 {
		return time.Time{}
	}
	for _, after := range doubts {
		if at := b.doubted.Add(after); b.checked.Before(at) {
			return at
		}
	}
	return time.Time{}
}

// checkStates asks the store what it holds.
func (d *desk) checkStates(ctx context.Context, now time.Time) {
	d.board.checked = now
	lease := d.board.lease
	d.tasks.Go(func() {
		states, err := d.store.States(ctx, d.config.Machine.ID)
		_ = d.mail.Send(ctx, held{lease, states, err}) // ends with ctx
	})
}

// learn goes on from what the store holds. A write that has come between is done
// once more, at worst.
func (h held) learn(d *desk) {
	switch {
	case h.lease != d.board.lease:
	case h.err != nil:
		d.board.doubt(d.on.Now())
	default:
		d.board.renew(h.lease, h.states)
		for name := range d.units {
			d.board.look(name)
		}
	}
}
