package engine

import (
	"context"
	"time"

	"argosy/core/cluster"
)

// Status is how an engine stands.
type Status struct {
	Leader   cluster.Leader `json:"leader"`   // who leads, as far as is known here
	Term     int64          `json:"term"`     // that this engine may commit in; 0 on standby
	Revision int64          `json:"revision"` // of the store, up to which all is known
	Heard    time.Time      `json:"heard"`    // when the store last said anything
}

// Leads says whether this engine decides.
func (s Status) Leads() bool { return s.Term != 0 }

// Status tells how the engine stands. It may be asked at any time.
func (e *Engine) Status() Status {
	if s := e.status.Load(); s != nil {
		return *s
	}
	return Status{}
}

// tell has Status say what is so now.
func (e *Engine) tell() {
	e.status.Store(&Status{Leader: e.campaign.leader, Term: e.term.Revision, Revision: e.known, Heard: e.heard})
}

// barred says whether this engine must not decide, and gives up the lead that it
// may have had until now.
func (e *Engine) barred(ctx context.Context) bool {
	if e.config.MayLead == nil || e.config.MayLead() {
		return false
	}
	if e.term.Revision != 0 {
		e.config.Log.Warn("this machine may not decide any more", "term", e.term.Revision)
		e.resign(ctx)
		e.term, e.campaign.unsure = cluster.Leader{}, true
	}
	return true
}
