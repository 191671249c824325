package runtime

import (
	"context"
	"time"
)

// Real is Go's own: the process's clock, goroutines, channels and timers. In a
// testing/synctest bubble it is the bubble's.
func Real() Runtime { return real{} }

type real struct{}

func (real) Now() time.Time { return time.Now() }

func (real) Go(task func()) { go task() }

func (real) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

func (real) NewBell() Bell { return realBell{make(chan struct{}, 1)} }

func (real) WithCancel(parent context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(parent)
}

func (real) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(parent, d)
}

// realBell is a bell; its channel has room for one ring.
type realBell struct{ rung chan struct{} }

func (b realBell) Ring() {
	select {
	case b.rung <- struct{}{}:
	default: // it has rung, and nobody has heard it yet
	}
}

func (b realBell) Wait(ctx context.Context, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var due <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-b.rung:
		return nil
	case <-due:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
