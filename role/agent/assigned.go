package agent

import (
	"context"
	"errors"
	"time"

	"argosy/core/cluster"
)

// heedAssigned passes on what is assigned to the machine, and has the machine's
// record looked at where the leader has taken its probes away: that is what it does
// to a machine that it counts as lost.
func (a *Agent) heedAssigned(batch cluster.Batch) {
	if a.config.Assigned != nil {
		a.config.Assigned(batch)
	}
	for _, event := range batch.Events {
		if _, is := event.(cluster.ProbesGone); is {
			a.self.poke()
		}
	}
}

// Lease is what the machine's record is bound to now; 0 for none.
func (a *Agent) Lease() int64 {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	return a.health.lease
}

// bind notes under which lease the machine is known; 0 for none.
func (h *health) bind(lease int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lease = lease
}

// depart ends the machine's record and says that it has left, so that nobody takes a
// kernel that still answers for a machine whose agent is out of touch. Where the
// record is not this machine's any more there is nothing to leave.
func (a *Agent) depart(ctx context.Context) error {
	err := a.store.Depart(ctx, a.config.Machine.ID, a.presence.lease, a.on.Now().UTC().Truncate(time.Millisecond))
	if errors.Is(err, cluster.ErrConflict) {
		return nil
	}
	return err
}
