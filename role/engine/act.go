package engine

import (
	"context"
	"errors"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// act does what is due: campaign, or plan and commit once. It says whether there
// may be more to do at once, and else how long to wait for news.
func (e *Engine) act(ctx context.Context, now time.Time) (more bool, wait time.Duration) {
	wait = e.heard.Add(silentAfter).Sub(now)
	if wait <= 0 {
		if !e.silent {
			e.config.Log.Warn("the store is silent; nothing is planned until it answers", "since", e.heard)
		}
		e.silent = true
		return false, silentAfter
	}
	if e.known == 0 || e.barred(ctx) {
		return false, wait
	}
	if e.term.Revision == 0 {
		reason, patience := e.campaign.reason(now)
		if reason == "" {
			return false, min(wait, patience)
		}
		return e.takeLead(ctx, reason, now), wait
	}
	if hold := e.campaign.hold(now); hold > 0 {
		return false, min(wait, hold)
	}
	// Up to its term everything must be known: what the leader before wrote is
	// older than the term, and no guard would notice a placement of it.
	if e.known < e.term.Revision {
		return false, wait
	}
	if !e.secured(ctx) {
		return false, secureAgain
	}
	if !e.endLost(ctx) {
		return true, wait
	}
	more = e.plan(ctx, now)
	if e.term.Revision != 0 {
		more = e.tidyFates(ctx) || more
	}
	if more {
		return true, wait
	}
	if e.term.Revision == 0 {
		return false, wait
	}
	e.comeNear(ctx)
	return false, min(wait, e.planAgain(now), e.collect(ctx, now))
}

// takeLead begins a term. The store's news of it, or of the rival that came
// first, bring the engine on, so that there is nothing more to do at once.
func (e *Engine) takeLead(ctx context.Context, reason string, now time.Time) (more bool) {
	l := cluster.Leader{Revision: e.campaign.leader.Revision, Machine: e.config.Machine, Run: e.config.Run, Since: now}
	if e.campaign.leader.Run == e.config.Run {
		l.Since = e.campaign.leader.Since
	}
	term, err := e.config.Store.TakeLead(ctx, l)
	e.troubled = errors.Is(err, cluster.ErrUnavailable)
	switch {
	case err == nil:
		e.config.Log.Info("took the lead", "term", term.Revision, "reason", reason)
		e.term = term
		e.campaign.lead(term)
	case ctx.Err() != nil:
	case errors.Is(err, cluster.ErrConflict):
		e.config.Log.Info("another took the lead first")
		e.campaign.unsure = true
	default:
		e.config.Log.Warn("cannot take the lead", "reason", reason, "error", err)
	}
	return false
}

// plan decides and commits once, and says whether there may be more to decide.
func (e *Engine) plan(ctx context.Context, now time.Time) (more bool) {
	if len(e.unsettled) > 0 {
		e.config.Planner.Retry(e.unsettled...)
		e.unsettled = nil
	}
	changes := e.config.Planner.Plan(now, planLimit)
	if len(changes) == 0 {
		return false
	}
	e.explain(changes)
	events, err := e.config.Store.Commit(ctx, e.term, changes)
	first := !e.troubled
	e.troubled = errors.Is(err, cluster.ErrUnavailable)
	log := e.config.Log.With("changes", len(changes), "written", len(events), "took", e.on.Now().Sub(now).Round(time.Microsecond))
	switch {
	case err == nil:
		log.Info("committed")
		return true
	case errors.Is(err, cluster.ErrConflict):
		// Something has changed that is still on its way here. It makes those
		// changes due again when it arrives; trying sooner would lose again.
		log.Info("committed but for what has changed meanwhile", "error", err)
		return true
	case errors.Is(err, cluster.ErrDeposed):
		log.Warn("deposed while committing", "term", e.term.Revision)
		e.campaign.unsure = true
	default:
		if ctx.Err() == nil {
			log.Warn("a commit's outcome is unknown; its term ends", "error", err)
		}
		more = first // one new term at once, at another member; then with the store's next news
	}
	e.term = cluster.Leader{}
	e.unsettled = append(e.unsettled, changes...)
	return more
}

// explain logs decisions: those whose reason the store does not keep, and for
// debugging all.
func (e *Engine) explain(changes []schedule.Change) {
	for _, change := range changes {
		switch c := change.(type) {
		case schedule.Evict:
			e.config.Log.Info("evict", "unit", c.Unit, "machine", c.From, "reason", c.Reason)
		case schedule.Place:
			e.config.Log.Debug("place", "unit", c.Placement.Unit, "machine", c.Placement.Machine, "from", c.From, "reason", c.Placement.Reason)
		case schedule.Refuse:
			e.config.Log.Debug("refuse", "unit", c.Unplaced.Unit, "from", c.From, "reason", c.Unplaced.Reason)
		case schedule.Absolve:
			e.config.Log.Debug("absolve", "unit", c.Unit)
		}
	}
}

// resign ends the lead, and with it what is still under way of its commits.
func (e *Engine) resign(ctx context.Context) {
	leader := e.campaign.leader
	if leader.Revision == 0 || leader.Run != e.config.Run || e.campaign.unsure {
		return
	}
	ctx, cancel := e.on.WithTimeout(context.WithoutCancel(ctx), resignWithin)
	defer cancel()
	if err := e.config.Store.Resign(ctx, leader); err != nil {
		e.config.Log.Warn("cannot resign; a standby takes over when this machine's lease ends", "error", err)
		return
	}
	e.config.Log.Info("resigned", "term", leader.Revision)
}
