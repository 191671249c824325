package engine

import "time"

// Clock is the part of a Planner to which time matters.
type Clock interface {
	Observe(now time.Time)
	Next() time.Time
	Held() string
}

// observe tells the planner since when what it has learned is known, also on a
// standby: it will count from there when it leads.
func (e *Engine) observe(now time.Time) {
	e.config.Planner.Observe(now)
	e.sayHeld()
}

// sayHeld logs where a hold of all failover begins and ends.
func (e *Engine) sayHeld() {
	switch why := e.config.Planner.Held(); {
	case why != "" && !e.held:
		e.config.Log.Warn("failover is held", "reason", why)
		e.held = true
	case why == "" && e.held:
		e.config.Log.Info("failover is held no more")
		e.held = false
	}
}

// planAgain says how long there is nothing to plan unless something is learned.
func (e *Engine) planAgain(now time.Time) time.Duration {
	e.sayHeld() // the plan before may have ended it
	next := e.config.Planner.Next()
	if next.IsZero() {
		return forever
	}
	return max(0, next.Sub(now))
}
