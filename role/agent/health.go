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
	// Trouble says why it is not heard of, for people; empty when it is.
	Trouble string
}

type health struct {
	mu  sync.Mutex
	now Health
}

// Health tells how the agent fares. It may be asked at any time.
func (a *Agent) Health() Health {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	return a.health.now
}

// contact notes that the store was heard of.
func (h *health) contact() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = Health{LastContact: time.Now()}
}

// trouble notes that it was not, and logs it once.
func (a *Agent) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // we were told to end
	}
	a.health.mu.Lock()
	news := a.health.now.Trouble != err.Error()
	a.health.now.Trouble = err.Error()
	a.health.mu.Unlock()
	if news {
		a.log.Warn("the store was not heard of", "error", err)
	}
}
