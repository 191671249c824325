package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"argosy/core/access"
)

// KeyFile is where a member keeps the keys that secrets are sealed with.
type KeyFile interface {
	Held() ([]string, error)
	Add(line string) error
	Arrange(order func(held []string) []string) (changed bool, err error)
}

// KeyKeeper has a member hold the keys that the keyring tells of: one that it has not
// got comes from another member, and not through the store, where who has the former
// key and a copy of the store could open whatever it is sealed with.
type KeyKeeper struct {
	Access *Access
	File   KeyFile
	// Ask has another member hand over a key.
	Ask func(ctx context.Context, id string) (line string, err error)
	Log *slog.Logger
}

// Run keeps the keys until ctx ends. What could not be got is asked for again whenever
// the store is heard, which is about once a second.
func (k *KeyKeeper) Run(ctx context.Context) error {
	taken, reported := int64(0), ""
	for {
		register, changed, err := k.Access.Register()
		if ring := register.Keyring; err == nil && ring.Revision != taken {
			err := k.take(ctx, ring)
			switch {
			case err == nil:
				taken, reported = ring.Revision, ""
			case err.Error() != reported && ctx.Err() == nil:
				reported = err.Error()
				k.Log.Warn("this member cannot open all secrets", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (k *KeyKeeper) take(ctx context.Context, ring access.Keyring) error {
	held, err := k.File.Held()
	if err != nil {
		return err
	}
	var faults []error
	for _, id := range ring.Missing(held) {
		line, err := k.Ask(ctx, id)
		if err == nil {
			err = k.File.Add(line)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("get the key %s from another member: %w", id, err))
			continue
		}
		k.Log.Info("a key for secrets was got from another member", "key", id)
	}
	changed, err := k.File.Arrange(ring.Arranged)
	if changed {
		k.Log.Info("secrets are sealed with another key", "key", ring.Seals, "forgotten", ring.Ended)
	}
	return errors.Join(append(faults, err)...)
}
