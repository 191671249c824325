package engine

import (
	"context"
	"errors"
	"fmt"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/role/runtime"
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

// question is what the loop is asked, and what has its asker wait no more.
type question struct{ answer, drop func() }

// ask has the loop, which alone may touch the picture, answer a question: between
// batches, one in each turn, so that questions hold up no decision for longer than
// one of them takes. It waits for as long as a commit is under way, or until ctx
// ends.
func ask[T any](ctx context.Context, e *Engine, answer func() (T, error)) (T, error) {
	type reply struct {
		answer T
		err    error
	}
	var none T
	if !e.begun.Load() {
		return none, cluster.ErrUnavailable
	}
	replies := runtime.NewMailbox[reply](e.on, e.on.NewBell(), 1) // which has room though the asker may have gone
	err := e.questions.Send(ctx, question{drop: replies.Close, answer: func() {
		if e.known == 0 {
			replies.Offer(reply{err: cluster.ErrUnavailable})
			return
		}
		told, err := answer()
		replies.Offer(reply{told, err})
	}})
	var r reply
	if err == nil {
		r, err = replies.Receive(ctx)
	}
	switch {
	case errors.Is(err, runtime.ErrClosed):
		return none, errEnded
	case err != nil:
		return none, err
	}
	return r.answer, r.err
}

// answerOne answers a question if one waits, and says whether one did.
func (e *Engine) answerOne() bool {
	question, there := e.questions.Take()
	if there {
		question.answer()
	}
	return there
}

// answerNoMore sends away who asks, now and from now on.
func (e *Engine) answerNoMore() {
	e.questions.Close()
	if e.copying != nil {
		e.copying.ready.Close()
	}
	for !e.questions.Drained() {
		if question, there := e.questions.Take(); there {
			question.drop()
		}
	}
}
