// Package registry is the API's mind on a member of the cluster. It follows the
// store into a view of everything, answers reads from it at any time, telling
// how old the answer is, and writes what operators want of units.
package registry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/signing"
)

// Store is where wanted units are kept. Its reads are linearizable.
type Store interface {
	// Follow delivers the whole scope and then every change of it, until ctx
	// ends or deliver returns an error.
	Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error
	// Unit returns one unit, or cluster.ErrNotFound, and the revision of the
	// store at which that is so.
	Unit(ctx context.Context, name cluster.UnitName) (u cluster.Unit, asOf int64, err error)
	Content(ctx context.Context, hash cluster.Hash) (string, error)
	// done is who wrote, for the audit, in the same transaction.
	PutUnit(ctx context.Context, unit cluster.Unit, text string, done ...access.Entry) (cluster.Unit, error)
	DeleteUnit(ctx context.Context, name cluster.UnitName, revision int64, done ...access.Entry) error
	// Labels returns what operators say of a machine, or cluster.ErrNotFound.
	Labels(ctx context.Context, id cluster.MachineID) (cluster.Labels, error)
	PutLabels(ctx context.Context, l cluster.Labels, done ...access.Entry) (cluster.Labels, error)
	// Policy returns what is asked of units before they are started.
	Policy(ctx context.Context) (signing.Policy, error)
	// Secret returns what is stored of a secret, or cluster.ErrNotFound.
	Secret(ctx context.Context, name cluster.SecretName) (cluster.Secret, error)
}

// Registry answers and writes. Its methods may be called from many goroutines,
// before and after Run too.
type Registry struct {
	store Store
	log   *slog.Logger

	// mu is no RWMutex: a listing may sort the view's names.
	mu       sync.Mutex
	view     *api.View // guarded by mu, like all below
	known    bool      // the view has been filled once
	revision int64
	asOf     time.Time
	advanced chan struct{} // closed, and replaced, with each batch
	watchers map[cluster.UnitName]map[*watcher]struct{}
	silence  silence
	// snapshots are by revision; see snapshots.go.
	snapshots map[int64]*snapshot
}

// New makes a registry that knows nothing until it runs.
func New(store Store, log *slog.Logger) *Registry {
	return &Registry{
		store: store, log: log,
		view: api.NewView(), advanced: make(chan struct{}),
		watchers: map[cluster.UnitName]map[*watcher]struct{}{}, snapshots: map[int64]*snapshot{},
	}
}

// Run keeps the view current until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	if err := r.store.Follow(ctx, cluster.Everything, r.learn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow the store: %w", err)
	}
	return nil
}

func (r *Registry) learn(batch cluster.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if batch.Reset {
		r.view.Forget()
		r.silence.forget(time.Now())
		clear(r.snapshots)
		for name := range r.watchers {
			r.wake(name)
		}
	}
	r.view.Learn(batch.Events...)
	for _, event := range batch.Events {
		r.silence.learn(event, r.view, time.Now())
		if name, about := api.Touched(event); about {
			r.wake(name)
		}
	}
	r.known, r.revision, r.asOf = true, max(r.revision, batch.Revision), time.Now()
	r.tidySnapshots(r.asOf)
	close(r.advanced)
	r.advanced = make(chan struct{})
	return nil
}

// catchUp bounds the wait for a revision that a read asks for. In health it
// takes milliseconds, and a second where other programs write to the store too.
const catchUp = 10 * time.Second

// read calls look with the view locked, once it has come up to revision least.
func (r *Registry) read(ctx context.Context, least int64, look func(view *api.View, fresh api.Freshness)) error {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	for {
		r.mu.Lock()
		if r.known && r.revision >= least {
			look(r.view, r.freshness())
			r.mu.Unlock()
			return nil
		}
		known, revision, advanced := r.known, r.revision, r.advanced
		r.mu.Unlock()
		if !known {
			return fmt.Errorf("read the cluster: nothing is known of it yet: %w", cluster.ErrUnavailable)
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return fmt.Errorf("read the cluster at revision %d: only revision %d has come here: %w",
				least, revision, cluster.ErrUnavailable)
		}
	}
}

// freshness is called with mu held.
func (r *Registry) freshness() api.Freshness {
	return api.Freshness{Revision: r.revision, AsOf: r.asOf, AgeSeconds: time.Since(r.asOf).Seconds()}
}

// Freshness tells how current answers are now. It is an error when there are none.
func (r *Registry) Freshness() (fresh api.Freshness, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		return fresh, fmt.Errorf("nothing is known of the cluster yet: %w", cluster.ErrUnavailable)
	}
	return r.freshness(), nil
}
