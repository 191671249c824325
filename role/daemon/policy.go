package daemon

import (
	"context"
	"log/slog"
	"sync"

	"argosy/core/signing"
	"argosy/edge/host"
)

// policyHere says what this machine may start.
type policyHere struct {
	file string // this machine's own
	ask  func(context.Context) (signing.Policy, error)
	log  *slog.Logger

	mu    sync.Mutex
	known bool // guarded by mu, like all below
	last  signing.Policy
}

// now is what the machine's own file says, and else what the cluster says. While that
// cannot be asked, what it said last holds.
func (p *policyHere) now(ctx context.Context) (signing.Policy, error) {
	if own, there, err := host.ReadPolicy(p.file); there || err != nil {
		return own, err
	}
	policy, err := p.ask(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.known, p.last = true, policy
	case p.known:
		p.log.Warn("what may be started here cannot be asked for: what was said last holds", "error", err)
		return p.last, nil
	}
	return policy, err
}

// clustersPolicy asks the store, or a member where this machine is none.
func (p *parts) clustersPolicy(ctx context.Context) (signing.Policy, error) {
	if p.asker == nil {
		return p.store.Policy(ctx)
	}
	now, err := p.asker.Cluster(ctx)
	return now.Policy, err
}
