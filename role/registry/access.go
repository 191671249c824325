package registry

import (
	"context"
	"fmt"
	"sync"

	"argosy/core/access"
	"argosy/core/cluster"
)

// AccessStore is where people's accounts and revocations are kept.
type AccessStore interface {
	// FollowRegister hands over who may do what, and again whenever that has
	// changed, until ctx ends or deliver returns an error.
	FollowRegister(ctx context.Context, deliver func(access.Register) error) error
}

// Access knows who may do what. While the store is away it goes by what it knew.
type Access struct {
	store AccessStore

	mu      sync.Mutex
	known   bool // guarded by mu, like all below
	now     access.Register
	changed chan struct{} // closed, and replaced, with each register
}

// NewAccess knows nothing until it runs.
func NewAccess(store AccessStore) *Access {
	return &Access{store: store, changed: make(chan struct{})}
}

// Run keeps the register current until ctx ends.
func (a *Access) Run(ctx context.Context) error {
	if err := a.store.FollowRegister(ctx, a.learn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow who may do what: %w", err)
	}
	return nil
}

func (a *Access) learn(register access.Register) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known, a.now = true, register
	close(a.changed)
	a.changed = make(chan struct{})
	return nil
}

// Register is who may do what, and is closed behind it once that has been heard
// anew. Before the store was heard once it is cluster.ErrUnavailable.
func (a *Access) Register() (known access.Register, changed <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.known {
		err = fmt.Errorf("who may do what is not known yet: %w", cluster.ErrUnavailable)
	}
	return a.now, a.changed, err
}
