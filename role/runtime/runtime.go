// Package runtime is what the loops of the roles stand on: the time, tasks, and
// waiting. A loop that takes these from a Runtime, and from nowhere else, runs as
// well in the simulator, where time is virtual, one task runs at a time and a seed
// decides which: see test/sim/stage.
//
// Whoever waits, waits at a Bell. A task has one, and what it waits for rings it:
// mailboxes, of which it may have several at one bell, other tasks, or the time.
// Mailbox, Semaphore, Gate and Group are built on bells and are the same code on
// every Runtime. What stands on a Runtime uses no channel, no select, no timer, no
// context with an end of its own making and no go statement. Locks that are held
// for a moment, and never while waiting, are fine.
package runtime

import (
	"context"
	"time"
)

// Runtime is one machine's time, tasks and waiting.
type Runtime interface {
	// Now is the time on the machine's clock. As Go's time.Now it has a monotonic
	// reading, so that differences do not mind a clock that is set.
	Now() time.Time
	// Go starts a task. Use a Group, so that it is waited for.
	Go(task func())
	// AfterFunc has f called once, in a time from now. f must not wait.
	AfterFunc(d time.Duration, f func()) Timer
	NewBell() Bell
	// WithCancel and WithTimeout are context's.
	WithCancel(parent context.Context) (context.Context, context.CancelFunc)
	WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc)
}

// Bell wakes the one task that waits at it.
type Bell interface {
	// Ring ends the wait at the bell, or the next one where nobody waits now.
	// Anybody may ring it at any time; to ring twice is to ring once.
	Ring()
	// Wait returns nil when the bell has rung, or when it is time; the zero time
	// never is. It returns ctx's error when ctx has ended. Who waits looks then for
	// what there is to do: it may be nothing.
	Wait(ctx context.Context, until time.Time) error
}

// Timer is a call that AfterFunc has promised; its methods are time.Timer's.
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, on Runtime, d time.Duration) error {
	return on.NewBell().Wait(ctx, on.Now().Add(d))
}
