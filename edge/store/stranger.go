package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"argosy/core/cluster"
)

// enrolAgain is how long after it was asked for a stranger's enrolment is not asked
// for again: where it did not help, something else is wrong.
const enrolAgain = 5 * time.Second

// stranger is a machine that the store may not know yet, or not any more.
type stranger struct {
	ask func(context.Context) error // nil where the store needs to know nobody

	mu     sync.Mutex // held while one asks: others wait for what comes of it
	asked  time.Time
	helped bool
	told   string // what was last reported
}

// known does a call, and once more where the store refuses it to this machine and
// enrolling helps.
func (s *Store) known(ctx context.Context, call func() error) error {
	err := call()
	if errors.Is(err, cluster.ErrForbidden) && s.enrolSelf(ctx) {
		err = call()
	}
	return err
}

// enrolSelf says whether this machine was enrolled just now.
func (s *Store) enrolSelf(ctx context.Context) bool {
	own := &s.stranger
	if own.ask == nil {
		return false
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	if time.Since(own.asked) < enrolAgain {
		return own.helped
	}
	err := own.ask(ctx)
	own.asked, own.helped = time.Now(), err == nil
	switch {
	case err == nil:
		own.told = ""
	case ctx.Err() == nil && err.Error() != own.told:
		own.told = err.Error()
		s.report(fmt.Errorf("the store does not know this machine: %w", err))
	}
	return own.helped
}
