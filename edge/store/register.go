package store

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
)

// FollowRegister hands over who may do what, and the whole of it again whenever
// some of it has changed. While nothing changes it confirms about once a second, by
// the same register with a later revision, that this is so; none for three times
// that long means that the store is away. It returns only when ctx ends, or with
// deliver's error. deliver is called by one goroutine.
//
// A change has all read again: there are few of these facts and they change
// seldom, and so nothing can be missed.
func (s *Store) FollowRegister(ctx context.Context, deliver func(access.Register) error) error {
	var refused error
	hand := func(register access.Register) error {
		refused = deliver(register)
		return refused
	}
	pause := firstPause
	for reported := ""; ; {
		err := s.followRegister(ctx, hand, func() { pause, reported = firstPause, "" })
		if refused != nil {
			return refused
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil { // something has changed
			continue
		}
		if err.Error() != reported {
			reported = err.Error()
			s.report(fmt.Errorf("follow who may do what: %w", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// followRegister hands over the register and then that nothing has changed, until
// something has or until a fault.
func (s *Store) followRegister(ctx context.Context, hand func(access.Register) error, heard func()) error {
	register, err := s.Register(ctx)
	if err != nil {
		return err
	}
	if err := hand(register); err != nil {
		return err
	}
	heard()
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watcher := clientv3.NewWatcher(s.client)
	defer func() { _ = watcher.Close() }() // it was lost or is no longer wanted
	// Each begins with what is known already, which is left out: etcd confirms no
	// watch of the future.
	watch := func(key string, options ...clientv3.OpOption) clientv3.WatchChan {
		return watcher.Watch(ctx, key, append(options, clientv3.WithRev(register.Revision))...)
	}
	revoked := watch(revokedFolder, clientv3.WithPrefix(), clientv3.WithProgressNotify())
	people := watch(peopleFolder, clientv3.WithPrefix())
	authorities, keyring := watch(authoritiesKey), watch(keyringKey)

	watchdog := time.AfterFunc(silentAfter*s.confirmEvery, cancel)
	defer watchdog.Stop()
	ask := time.NewTicker(s.confirmEvery)
	defer ask.Stop()
	for {
		var response clientv3.WatchResponse
		var open bool
		confirms := false
		select {
		case response, open = <-revoked:
			confirms = response.IsProgressNotify() // each of them is told
		case response, open = <-people:
		case response, open = <-authorities:
		case response, open = <-keyring:
		case <-ask.C:
			if err := watcher.RequestProgress(ctx); err != nil {
				return lost(false)
			}
			continue
		}
		switch {
		case !open:
			return lost(false)
		case response.Err() != nil:
			return fmt.Errorf("watch who may do what: %w", response.Err())
		case newer(response, register.Revision):
			return nil
		case confirms && response.Header.Revision < register.Revision:
			return errBehind
		case confirms:
			register.Revision = response.Header.Revision
			watchdog.Reset(silentAfter * s.confirmEvery)
			if err := hand(register); err != nil {
				return err
			}
		}
	}
}

// newer says whether a response tells of a change after a revision.
func newer(response clientv3.WatchResponse, revision int64) bool {
	for _, event := range response.Events {
		if event.Kv.ModRevision > revision {
			return true
		}
	}
	return false
}
