package daemon

import (
	"context"
	"errors"

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

// secure closes the store, which only guarded members leave open to themselves.
func (p *parts) secure(ctx context.Context) error {
	guarded, err := p.store.Guarded(ctx)
	if err != nil {
		return err
	}
	if !guarded {
		return errors.New("a member of the store runs etcd without --enable-guard: set ETCD_ENABLE_GUARD=true in /etc/etcd/etcd.env, or insecure=\"true\" in fleet.conf")
	}
	return p.store.Secure(ctx)
}
