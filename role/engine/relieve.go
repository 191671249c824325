package engine

import (
	"context"
	"errors"
	"time"

	"argosy/core/cluster"
)

const (
	// relieveAfter is what an engine is given to read everything before it gives up
	// the lead of its machine: in a small cluster the lead stays where it is.
	relieveAfter = 200 * time.Millisecond
	// nearWithin bounds the moving of the store's leadership, which takes some
	// heartbeats of its members.
	nearWithin = 5 * time.Second
)

// relieve ends the term that an earlier run on this machine left behind, if this
// engine does not know everything soon. A standby, which does, leads at once then,
// while this one still reads: a million units take it ten seconds. Where there is
// no standby this one leads when it can.
func (e *Engine) relieve(ctx context.Context) {
	bell := e.on.NewBell()
	for bell.Wait(ctx, e.on.Now().Add(relieveAfter)) == nil && e.Status().Revision == 0 {
		if e.config.MayLead != nil && !e.config.MayLead() {
			continue
		}
		if err := e.relieveOnce(ctx); err == nil {
			return
		}
	}
}

func (e *Engine) relieveOnce(ctx context.Context) error {
	l, err := e.config.Store.Leader(ctx)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil
	}
	if err != nil || l.Machine != e.config.Machine || l.Run == e.config.Run {
		return err
	}
	err = e.config.Store.Resign(ctx, l)
	switch {
	case errors.Is(err, cluster.ErrDeposed):
		return nil
	case err != nil:
		return err
	}
	e.config.Log.Info("ended the term of an earlier run on this machine", "term", l.Revision)
	return nil
}

// comeNear asks for the store's leadership once in a term, when nothing is left to
// decide: moving it holds every write up for a moment. It is not asked for again
// when the store moves it elsewhere, which has its reasons.
func (e *Engine) comeNear(ctx context.Context) {
	if e.config.Near == nil || e.neared == e.term.Revision {
		return
	}
	e.neared = e.term.Revision
	e.beside.Go(func() {
		ctx, cancel := e.on.WithTimeout(ctx, nearWithin)
		defer cancel()
		if err := e.config.Near(ctx); err != nil && !errors.Is(err, context.Canceled) {
			e.config.Log.Info("the store's leadership stays where it is", "error", err)
		}
	})
}
