package engine

import (
	"context"
	"errors"

	"argosy/core/cluster"
)

// Fates writes what the leader decides of machines.
type Fates interface {
	Assign(ctx context.Context, term cluster.Leader, all []cluster.Probes) error
	EndMachine(ctx context.Context, term cluster.Leader, m cluster.Machine) error
	RevokeLease(ctx context.Context, lease int64) error
}

// assignAtOnce is how many machines' duties are written together.
const assignAtOnce = 100

// learnFates takes a batch into the court, and tells the planner and the campaign
// what follows from it.
func (e *Engine) learnFates(batch cluster.Batch) {
	e.court.Learn(batch)
	for _, absence := range e.court.Absences() {
		if absence.Answers {
			e.config.Log.Warn("a machine is out of touch and its kernel answers: its units stay", "machine", absence.Machine)
		} else {
			e.config.Log.Info("a machine is not out of touch any more", "machine", absence.Machine)
		}
		e.config.Planner.Judge(absence.Machine, absence.Answers)
	}
	c := &e.campaign
	c.condemned = e.court.Condemned(c.leader.Machine) && !e.court.Condemned(c.self)
}

// endLost ends the records of lost machines. It says whether the term stands.
func (e *Engine) endLost(ctx context.Context) bool {
	for _, m := range e.court.Lost() {
		if m.ID == e.config.Machine {
			continue // the others know better, and one of them takes over
		}
		err := e.config.Store.EndMachine(ctx, e.term, m)
		if err != nil && !errors.Is(err, cluster.ErrConflict) {
			e.unwritten(ctx, err)
			return false
		}
		e.court.Ended(m)
		if err != nil {
			e.config.Log.Info("a machine that seemed lost has spoken", "machine", m.ID, "name", m.Name)
			continue
		}
		e.leases = append(e.leases, m.Lease)
		e.config.Log.Warn("a machine is lost: its probers hear nothing of it and hear of each other", "machine", m.ID, "name", m.Name)
	}
	return true
}

// tidyFates does what no failover waits for: it says who probes whom, and revokes the
// leases of lost machines. It says whether there may be more to do.
func (e *Engine) tidyFates(ctx context.Context) (more bool) {
	due := e.court.Due(assignAtOnce)
	if len(due) > 0 {
		if err := e.config.Store.Assign(ctx, e.term, due); err != nil {
			e.court.Retry(due)
			return e.unwritten(ctx, err)
		}
		e.config.Log.Debug("assigned probes", "machines", len(due))
	}
	for _, lease := range e.leases {
		if err := e.config.Store.RevokeLease(ctx, lease); err != nil && !errors.Is(err, cluster.ErrLeaseGone) {
			e.config.Log.Info("a lost machine's lease ends by itself", "error", err)
		}
	}
	e.leases = nil
	return len(due) == assignAtOnce
}

// unwritten ends the term after a write whose outcome is not known, or which was
// refused: see plan.
func (e *Engine) unwritten(ctx context.Context, err error) (more bool) {
	first := !e.troubled
	e.troubled = errors.Is(err, cluster.ErrUnavailable)
	if errors.Is(err, cluster.ErrDeposed) {
		e.campaign.unsure, first = true, false
	}
	if ctx.Err() == nil {
		e.config.Log.Warn("what was decided of machines is not written; the term ends", "term", e.term.Revision, "error", err)
	}
	e.term = cluster.Leader{}
	return first
}
