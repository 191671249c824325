package registry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/edge/memstore"
	"argosy/edge/sealing"
)

// TestAMemberGetsItsKeys: what the keyring tells of is got from another member, asked
// for again while nobody has it, and arranged; what has ended is forgotten, and nothing
// that the keyring does not speak of.
func TestAMemberGetsItsKeys(t *testing.T) {
	vaulted(t, func(ctx context.Context, t *testing.T, s *memstore.Store, v *Vault, _ *bytes.Buffer) {
		file := v.sealer.(sealing.File)
		held, err := file.Held()
		if err != nil {
			t.Fatal(err)
		}
		old, line := held[0], sealing.NewKey()
		next, _, _ := strings.Cut(line, " ")
		var log bytes.Buffer
		there, asked := false, 0
		known := NewAccess(s)
		keeper := &KeyKeeper{Access: known, File: file, Log: slog.New(slog.NewTextHandler(&log, nil)), Ask: func(_ context.Context, id string) (string, error) {
			asked++
			if id != next || !there {
				return "", errors.New("nobody has it")
			}
			return line, nil
		}}
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 2)
		go func() { ended <- known.Run(ctx) }()
		go func() { ended <- keeper.Run(ctx) }()
		defer func() { stop(); <-ended; <-ended }()

		ring := access.Keyring{}
		put := func(to access.Keyring) {
			t.Helper()
			to.Revision = ring.Revision
			if ring, err = s.PutKeyring(ctx, to, 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		holds := func(want ...string) {
			t.Helper()
			if held, err := file.Held(); err != nil || !slices.Equal(held, want) {
				t.Errorf("it has %q, %v, want %q", held, err, want)
			}
		}
		synctest.Wait()
		put(ring.Beginning(held, next))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		holds(old)
		if asked < 2 || strings.Count(log.String(), "nobody has it") != 1 {
			t.Errorf("asked %d times, logged %s", asked, log.String())
		}
		there = true
		time.Sleep(2 * time.Second)
		synctest.Wait()
		holds(old, next)
		if err := file.Add(sealing.NewKey()); err != nil { // by hand, for an old backup
			t.Fatal(err)
		}
		byHand, err := file.Held()
		if err != nil {
			t.Fatal(err)
		}
		put(ring.Turned())
		holds(next, old, byHand[2])
		before := asked
		put(ring.Finished())
		holds(next, byHand[2])
		if asked != before || strings.Contains(log.String(), strings.Fields(line)[1]) {
			t.Errorf("asked %d times, then %d; logged %s", before, asked, log.String())
		}
	})
}
