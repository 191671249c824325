package discovery

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"argosy/core/discovery"
)

var errTooMany = errors.New("too many tokens live already")

// forever is how long a token lives that does not end.
const forever = 100 * 365 * 24 * time.Hour

// tokens makes no more of them than may live.
type tokens struct {
	store *Store
	ttl   time.Duration
	limit int
	now   func() time.Time

	mutex  sync.Mutex
	ledger *discovery.Ledger // nil until the store was asked what there is
}

// create makes a token of that size, or says errTooMany.
func (t *tokens) create(ctx context.Context, size int) (string, error) {
	end, err := t.enter(ctx)
	if err != nil {
		return "", err
	}
	token := randomToken()
	if err := t.store.create(ctx, token, size, t.ttl); err != nil {
		t.strike(end)
		return "", err
	}
	return token, nil
}

// enter makes room for one more token.
func (t *tokens) enter(ctx context.Context) (end time.Time, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	now := t.now()
	if t.ledger == nil {
		ends, err := t.store.tokens(ctx)
		if err != nil {
			return end, err
		}
		t.ledger = &discovery.Ledger{}
		for _, end := range ends {
			if end.IsZero() {
				end = now.Add(forever)
			}
			t.ledger.Enter(now, end, len(ends))
		}
	}
	end = now.Add(t.ttl)
	if t.ttl == 0 {
		end = now.Add(forever)
	}
	if !t.ledger.Enter(now, end, t.limit) {
		return end, errTooMany
	}
	return end, nil
}

func (t *tokens) strike(end time.Time) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.ledger.Strike(end)
}

// randomToken is a name that nobody can guess.
func randomToken() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails (crypto/rand)
	return hex.EncodeToString(random[:])
}
