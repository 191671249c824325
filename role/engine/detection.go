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

// decideFates ends the records of lost machines and says who probes whom. It says
// whether there may be more to do.
func (e *Engine) decideFates(ctx context.Context) (more bool) {
	for _, m := range e.court.Lost() {
		if m.ID == e.config.Machine {
			continue // the others know better, and one of them takes over
		}
		err := e.config.Store.EndMachine(ctx, e.term, m)
		if err != nil && !errors.Is(err, cluster.ErrConflict) {
			return e.fateless(ctx, err)
		}
		e.court.Ended(m)
		if err != nil {
			e.config.Log.Info("a machine that seemed lost has spoken", "machine", m.ID, "name", m.Name)
			continue
		}
		e.config.Log.Warn("a machine is lost: its probers hear nothing of it and hear of each other", "machine", m.ID, "name", m.Name)
	}
	due := e.court.Due(assignAtOnce)
	if len(due) == 0 {
		return false
	}
	if err := e.config.Store.Assign(ctx, e.term, due); err != nil {
		e.court.Retry(due)
		return e.fateless(ctx, err)
	}
	e.config.Log.Debug("assigned probes", "machines", len(due))
	return len(due) == assignAtOnce
}

// fateless ends the term after a write whose outcome is not known, or which was
// refused: see plan.
func (e *Engine) fateless(ctx context.Context, err error) (more bool) {
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
