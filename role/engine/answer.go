package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

var errEnded = errors.New("the engine of this machine has ended")

// Why explains where a unit is or why it is on no machine, as this engine's
// picture has it, also on standby and while the store is away. It returns
// cluster.ErrNotFound for a unit that is not known, and cluster.ErrUnavailable
// before anything was heard from the store.
func (e *Engine) Why(ctx context.Context, unit cluster.UnitName) (schedule.Explanation, error) {
	answer, err := ask(ctx, e, func() (schedule.Explanation, error) {
		explanation, known := e.config.Planner.Why(unit)
		if !known {
			return explanation, cluster.ErrNotFound
		}
		return explanation, nil
	})
	if err != nil {
		return answer, fmt.Errorf("explain unit %q: %w", unit, err)
	}
	return answer, nil
}

// WhatIf tells what would change if the events happened now, as
// schedule.Picture's does. Its errors are Why's.
func (e *Engine) WhatIf(ctx context.Context, events ...cluster.Event) ([]schedule.Change, error) {
	changes, err := ask(ctx, e, func() ([]schedule.Change, error) {
		return e.config.Planner.WhatIf(time.Now(), events...), nil
	})
	if err != nil {
		return nil, fmt.Errorf("foretell what would change: %w", err)
	}
	return changes, nil
}

// ask has the loop, which alone may touch the picture, answer a question: between
// batches, one in each turn, so that questions hold up no decision for longer than
// one of them takes. It waits for as long as a commit is under way, or until ctx
// ends.
func ask[T any](ctx context.Context, e *Engine, answer func() (T, error)) (T, error) {
	type reply struct {
		answer T
		err    error
	}
	replies := make(chan reply, 1) // the asker may have gone
	question := func() {
		if e.known == 0 {
			replies <- reply{err: cluster.ErrUnavailable}
			return
		}
		told, err := answer()
		replies <- reply{told, err}
	}
	var none T
	select {
	case <-e.begun:
	default:
		return none, cluster.ErrUnavailable
	}
	select {
	case e.questions <- question:
	case <-e.ended:
		return none, errEnded
	case <-ctx.Done():
		return none, ctx.Err()
	}
	select {
	case r := <-replies: // the loop answers what it took
		return r.answer, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// answerOne answers a question if one waits.
func (e *Engine) answerOne() {
	select {
	case question := <-e.questions:
		question()
	default:
	}
}
