package agent

import (
	"context"
	"sync"
	"time"
)

// Health is how the agent fares.
type Health struct {
	// LastContact is when the store was last heard of; zero for never.
	LastContact time.Time
	// Trouble says why the machine does not count as there, or soon will not,
	// for people; empty when all is well.
	Trouble string
}

type health struct {
	mu       sync.Mutex
	now      Health
	admitted bool
	lease    int64 // that the record is bound to
}

// Health tells how the agent fares. It may be asked at any time.
func (a *Agent) Health() Health {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	return a.health.now
}

// contact notes that the store was heard of.
func (h *health) contact(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.LastContact = now
}

// well notes that the machine is registered and its lease renewed.
func (h *health) well(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = Health{LastContact: now}
}

// admit notes whether the machine's record is its own.
func (h *health) admit(admitted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.admitted = admitted
}

// trouble notes that the machine could not be kept known, and logs it once.
func (a *Agent) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // we were told to end
	}
	a.health.mu.Lock()
	news := a.health.now.Trouble != err.Error()
	a.health.now.Trouble = err.Error()
	a.health.mu.Unlock()
	if news {
		a.log.Warn("this machine is not kept known", "error", err)
	}
}
