package daemon

import (
	"context"

	"argosy/core/cluster"
	"argosy/edge/client"
	"argosy/edge/store"
	"argosy/role/agent"
)

// agentsStore is the store as this machine's agent has it. A worker reads no text
// there: a member's API gives it those of its own units.
func (p *parts) agentsStore() agent.Store {
	if p.asker == nil {
		return p.store
	}
	return workersStore{p.store, p.asker}
}

type workersStore struct {
	*store.Store
	members *client.Client
}

// Content asks the members.
func (s workersStore) Content(ctx context.Context, hash cluster.Hash) (string, error) {
	return s.members.Content(ctx, hash)
}
