package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSecure has a new store closed before anything is decided, once in a term.
func TestSecure(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		w.ask("a.service")
		var calls atomic.Int64
		var closes atomic.Bool
		n := w.prepare(1, "a", nil)
		n.engine.config.Secure = func(context.Context) error {
			calls.Add(1)
			if !closes.Load() {
				return errors.New("no leader")
			}
			return nil
		}
		w.run(n)
		time.Sleep(time.Minute)
		if got := calls.Load(); got < 30 {
			t.Errorf("tried %d times in a minute to close the store", got)
		}
		w.want("a.service")
		closes.Store(true)
		time.Sleep(2 * secureAgain)
		w.want("a.service", "1:1")

		before := calls.Load()
		w.ask("b.service")
		time.Sleep(time.Minute)
		if got := calls.Load() - before; got != 0 {
			t.Errorf("closed %d times more in the same term", got)
		}
		l, err := w.store.Leader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.Resign(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := calls.Load() - before; got != 1 {
			t.Errorf("closed %d times in a new term, want once", got)
		}
	})
}
