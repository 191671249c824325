package registry

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/memstore"
)

// gated is a store that tells its follower nothing until the gate is opened.
type gated struct {
	*memstore.Store
	gate chan struct{}
}

func (s gated) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	return s.Store.Follow(ctx, scope, func(batch cluster.Batch) error {
		if batch.Reset {
			return deliver(batch)
		}
		select {
		case <-s.gate:
			return deliver(batch)
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// TestDestroyedForEveryReader: who destroys through one member and reads through
// another, which is late, does not see the unit again.
func TestDestroyedForEveryReader(t *testing.T) {
	for name, late := range map[string]struct{ own, other bool }{
		"the other member is late": {false, true},
		"both are":                 {true, true},
	} {
		bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, writer *Registry) {
			writer.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
			synctest.Wait()
			ctx, cancel := context.WithCancel(ctx)
			gate, ended := make(chan struct{}), make(chan error, 1)
			reader := New(gated{s, gate}, slog.New(slog.DiscardHandler))
			go func() { ended <- reader.Run(ctx) }()
			synctest.Wait()
			if late.own {
				writer = reader
			}
			gone, err := writer.Destroy(ctx, called("me"), "web.service")
			if err != nil {
				t.Fatal(err)
			}
			read := make(chan []api.Unit, 1)
			go func() {
				answer, err := reader.Units(ctx, gone.Revision, nil)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				read <- answer.Units
			}()
			synctest.Wait()
			if len(read) > 0 {
				t.Errorf("%s: revision %d is read before the deletion has come", name, gone.Revision)
			}
			close(gate)
			if units := <-read; len(units) > 0 {
				t.Errorf("%s: %+v is still there at revision %d", name, units, gone.Revision)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if _, _, err := s.Unit(t.Context(), "web.service"); !errors.Is(err, cluster.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
