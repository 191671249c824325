package daemon

import (
	"context"
	"sync"

	"argosy/core/signing"
	"argosy/edge/host"
)

// policyHere says what this machine may start.
type policyHere struct {
	*parts
	mu    sync.Mutex
	known bool
	last  signing.Policy
}

// now is what the machine's own file says, and else what the store says: asked by
// members themselves, and by others through one. While it cannot be asked, what it
// said last holds.
func (p *policyHere) now(ctx context.Context) (signing.Policy, error) {
	if own, there, err := host.ReadPolicy(p.on.policyFile); there || err != nil {
		return own, err
	}
	policy, err := p.ask(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.known, p.last = true, policy
	case p.known:
		p.log.Warn("what may be started here cannot be asked for: the last that was known holds", "error", err)
		return p.last, nil
	}
	return policy, err
}

func (p *policyHere) ask(ctx context.Context) (signing.Policy, error) {
	if p.asker == nil {
		return p.store.Policy(ctx)
	}
	now, err := p.asker.Cluster(ctx)
	return now.Policy, err
}
