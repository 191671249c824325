package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"argosy/core/cluster"
)

const (
	// collectEvery is how often a leader looks for texts that nothing uses. The
	// look costs what listing all units in memory costs; it writes only where
	// there is something to collect.
	collectEvery = 10 * time.Minute
	// collectAtOnce is how many texts are marked and collected together.
	collectAtOnce = 100
)

// collector is a leader's round of collecting: texts are marked, everything
// written before the mark is waited for, and what is unused still is ended. A
// unit that is written with a marked text unmarks it.
type collector struct {
	next   time.Time      // when to look again
	marked []cluster.Hash // empty between two rounds
	mark   int64          // the revision of their mark
}

// collect does what is due of a round, and says how long there is nothing to do.
func (e *Engine) collect(ctx context.Context, now time.Time) (wait time.Duration) {
	c := &e.collector
	switch {
	case c.next.IsZero():
		c.next = now.Add(collectEvery)
	case len(c.marked) > 0 && e.known >= c.mark:
		e.sweep(ctx, now)
	case len(c.marked) > 0: // the store's news of the mark are on their way
		return forever
	case !now.Before(c.next):
		e.markUnused(ctx, now)
	}
	if len(c.marked) > 0 {
		return forever
	}
	return max(0, c.next.Sub(now))
}

func (e *Engine) markUnused(ctx context.Context, now time.Time) {
	e.collector = collector{next: now.Add(collectEvery)}
	unused := e.config.Planner.Unused()
	if len(unused) == 0 {
		return
	}
	unused = unused[:min(len(unused), collectAtOnce)]
	mark, err := e.config.Store.MarkUnused(ctx, e.term, unused)
	if err != nil {
		e.uncollected(err)
		return
	}
	e.collector.marked, e.collector.mark = unused, mark
}

func (e *Engine) sweep(ctx context.Context, now time.Time) {
	unused := e.config.Planner.Unused()
	still := slices.DeleteFunc(e.collector.marked, func(hash cluster.Hash) bool {
		_, found := slices.BinarySearch(unused, hash)
		return !found
	})
	mark := e.collector.mark
	e.collector = collector{next: now.Add(collectEvery)}
	if len(unused) > len(still) { // more, or others than those that the last round has ended
		e.collector.next = now
	}
	if len(still) == 0 {
		return
	}
	collected, err := e.config.Store.Collect(ctx, e.term, mark, still)
	if err != nil {
		e.uncollected(err)
		return
	}
	e.config.Log.Info("collected unit texts that nothing used", "texts", collected)
}

// uncollected notes why a round came to nothing. The next one begins anew: a
// mark that was left behind harms nobody.
func (e *Engine) uncollected(err error) {
	e.config.Log.Info("unused unit texts stay for now", "error", err)
	if errors.Is(err, cluster.ErrDeposed) {
		e.campaign.unsure = true
		e.term = cluster.Leader{}
	}
}
