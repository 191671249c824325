package engine

import (
	"context"
	"errors"
	"fmt"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/role/runtime"
)

// copyAtOnce is how many units are copied between two turns of the loop: some
// milliseconds of it.
const copyAtOnce = 2000

// WhatIf tells what would change if the events happened now, as
// schedule.Picture's does. Its errors are Why's. The asker works it out on a copy
// of the picture, which the loop makes bit by bit beside its own work: to copy a
// million units takes seconds, and nobody's placement waits for that.
func (e *Engine) WhatIf(ctx context.Context, events ...cluster.Event) ([]schedule.Change, error) {
	if err := e.copies.Acquire(ctx); err != nil {
		return nil, fmt.Errorf("foretell what would change: %w", err)
	}
	defer e.copies.Release()
	copied, err := e.copyOf(ctx)
	if err != nil {
		return nil, fmt.Errorf("foretell what would change: %w", err)
	}
	return copied.WhatIf(e.on.Now(), events...), nil
}

// copying is a copy of the picture under way.
type copying struct {
	copy  *schedule.Copy // nil before its first step
	asker context.Context
	ready *runtime.Mailbox[*schedule.Copy]
}

// copyOf has the loop make a copy of the picture, and waits for it.
func (e *Engine) copyOf(ctx context.Context) (*schedule.Copy, error) {
	ready, err := ask(ctx, e, func() (*runtime.Mailbox[*schedule.Copy], error) {
		e.copying = &copying{asker: ctx, ready: runtime.NewMailbox[*schedule.Copy](e.on, e.on.NewBell(), 1)}
		return e.copying.ready, nil
	})
	if err != nil {
		return nil, err
	}
	copied, err := ready.Receive(ctx)
	if errors.Is(err, runtime.ErrClosed) {
		err = errEnded
	}
	return copied, err
}

// copyOn copies some more, and says whether there may be more to copy.
func (e *Engine) copyOn() bool {
	c := e.copying
	switch {
	case c == nil:
		return false
	case c.asker.Err() != nil: // it waits no more
		e.copying = nil
		return false
	case c.copy == nil:
		c.copy = e.config.Planner.Copy()
	}
	if c.copy.Step(copyAtOnce) {
		c.ready.Offer(c.copy)
		e.copying = nil
	}
	return true
}

// learn has the copy keep up with the picture, or begin anew with it.
func (c *copying) learn(batch cluster.Batch) {
	switch {
	case c == nil || c.copy == nil:
	case batch.Reset:
		c.copy = nil
	default:
		c.copy.Learn(batch.Events...)
	}
}
