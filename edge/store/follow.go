package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"argosy/core/cluster"
)

const (
	// pageKeys is how many of one machine's placements the first request brings: all.
	pageKeys = 1000
	// The pause before following again after an error grows from the first to
	// the second.
	firstPause, longestPause = 20 * time.Millisecond, time.Second
	// assignedSlower is how many times seldomer than others the followers of one
	// machine's placements ask: there is one on each machine. At once a second
	// ten thousand of them keep a core of the members' busy.
	assignedSlower = 10
	// silentAfter confirmations missed, a watch counts as lost. It also catches
	// a member that is stopped while its kernel answers for it.
	silentAfter = 3
)

// errBehind says that a member knows less than what was delivered already, or
// that the store was put back to an earlier day.
var errBehind = errors.New("the store is behind what it has told before")

// Follow hands over the scope as it is, in one Reset batch, and then every
// change in the store's order, the changes of one revision in one batch. While
// nothing changes it confirms about once a second (once in ten for one machine's
// placements), by an empty batch, that all up to its Revision is known; none for
// three times that long means that the store is away. A member cut off from the others confirms for as long as
// it takes to notice, four election timeouts at most.
//
// After a fault it goes on where it was, and only when the store no longer has
// what came meanwhile does it begin again with a Reset. It returns only when ctx
// ends, or with deliver's error. deliver is called by one goroutine; a slow one
// holds nobody up but itself.
func (s *Store) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	f := &follower{store: s, prefix: root, confirmEvery: s.confirmEvery, deliver: deliver}
	if machine, one := scope.Machine(); one {
		f.prefix = placementsPrefix(machine)
		f.confirmEvery *= assignedSlower
	}
	pause := firstPause
	for reported := ""; ; {
		before := f.heard
		err := f.follow(ctx)
		if f.refused != nil {
			return f.refused
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, rpctypes.ErrCompacted) || errors.Is(err, rpctypes.ErrFutureRev) || errors.Is(err, errBehind) {
			f.known = 0
		}
		if f.heard != before {
			pause, reported = firstPause, ""
		}
		if err.Error() != reported {
			reported = err.Error()
			s.report(fmt.Errorf("follow the store: %w", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// follower is one Follow under way.
type follower struct {
	store        *Store
	prefix       string
	deliver      func(cluster.Batch) error
	confirmEvery time.Duration

	known   int64 // up to which everything was delivered; 0 before the first batch
	heard   int   // how many batches were delivered
	refused error // by deliver: the end
}

// follow goes on until a fault.
func (f *follower) follow(ctx context.Context) error {
	if f.known == 0 {
		if err := f.readAll(ctx); err != nil {
			return err
		}
	}
	return f.watch(ctx)
}

// readAll reads the whole scope at one revision and delivers it as one Reset. One
// machine's placements come with the first request. Of everything that one asks
// for nothing but the revision: etcd counts the whole range for each page that is
// asked of it, and applies no write until it has.
func (f *follower) readAll(ctx context.Context) error {
	batch := cluster.Batch{Reset: true}
	end := clientv3.GetPrefixRangeEnd(f.prefix)
	everything := f.prefix == root
	var first []clientv3.OpOption
	if !everything {
		first = []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(pageKeys)}
	}
	var page *clientv3.GetResponse
	err := f.store.repeat(ctx, func(ctx context.Context) (err error) {
		page, err = f.store.client.Get(ctx, f.prefix, first...)
		return err
	})
	if err == nil {
		batch.Revision = page.Header.Revision
		last := f.prefix
		if len(page.Kvs) > 0 {
			last = f.store.events(&batch, page.Kvs)
		}
		if everything || page.More {
			err = f.readOn(ctx, last, end, &batch)
		}
	}
	if err != nil {
		return fmt.Errorf("read all below %s: %w", f.prefix, err)
	}
	return f.hand(batch)
}

// readOn reads what comes after a key, at the batch's revision, in one stream,
// which does not count. What has interrupted a stream that told something is got
// over.
func (f *follower) readOn(ctx context.Context, last, end string, batch *cluster.Batch) error {
	for failures := 0; ; failures++ {
		before := last
		err := f.readStream(ctx, &last, end, batch)
		if last != before {
			failures = 0
		}
		err = translate(ctx, err)
		if !errors.Is(err, cluster.ErrUnavailable) || failures == tries {
			return err
		}
	}
}

// readStream reads until the end or a fault, and moves last along. A member that
// says nothing for the time of one call is given up. Its messages may be large: it
// cannot tell beforehand how large the next keys' values are.
func (f *follower) readStream(ctx context.Context, last *string, end string, batch *cluster.Batch) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(f.store.timeout, cancel)
	defer watchdog.Stop()
	stream, err := f.store.kv.RangeStream(ctx, &pb.RangeRequest{
		Key: []byte(*last + "\x00"), RangeEnd: []byte(end), Revision: batch.Revision,
	}, grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(math.MaxInt32)) // as in etcd's own calls
	for err == nil {
		var part *pb.RangeStreamResponse
		if part, err = stream.Recv(); err == nil {
			watchdog.Reset(f.store.timeout)
			if kvs := part.GetRangeResponse().GetKvs(); len(kvs) > 0 {
				*last = f.store.events(batch, kvs)
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// events adds what keys tell to a batch, and returns the last of them.
func (s *Store) events(batch *cluster.Batch, kvs []*keyValue) (last string) {
	for _, kv := range kvs {
		if event := s.event(kv, false); event != nil {
			batch.Events = append(batch.Events, event)
		}
		last = string(kv.Key)
	}
	return last
}

// watch delivers what comes after f.known until the watch is lost. Each has a
// stream of its own: etcd confirms a stream only when all watches on it are
// current, and a new one may go to another member. It begins with what is known
// already, which is left out, because etcd confirms no watch of the future.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watcher := clientv3.NewWatcher(f.store.client)
	defer func() { _ = watcher.Close() }() // it was lost or is no longer wanted

	patience := silentAfter * f.confirmEvery
	watchdog := time.AfterFunc(patience, cancel)
	defer watchdog.Stop()
	responses := watcher.Watch(ctx, f.prefix,
		clientv3.WithPrefix(), clientv3.WithRev(f.known), clientv3.WithProgressNotify())

	ask := time.NewTicker(f.confirmEvery)
	defer ask.Stop()
	quiet := true // since the last tick
	behind := false
	for {
		select {
		case response, open := <-responses:
			if !open {
				return lost(behind)
			}
			if err := response.Err(); err != nil {
				return fmt.Errorf("watch %s: %w", f.prefix, err)
			}
			if behind = response.IsProgressNotify() && response.Header.Revision < f.known; behind {
				continue // confirms nothing, so the watchdog goes on
			}
			watchdog.Stop()
			before := f.heard
			if err := f.pass(response); err != nil {
				return err
			}
			quiet = response.IsProgressNotify() || f.heard == before
			watchdog.Reset(patience)
		case <-ask.C:
			if quiet {
				if err := watcher.RequestProgress(ctx); err != nil {
					return lost(behind)
				}
			}
			quiet = true
		}
	}
}

func lost(behind bool) error {
	if behind {
		return errBehind
	}
	return errors.New("the watch was lost")
}

// pass delivers what one response tells. etcd keeps the changes of one revision
// in one response.
func (f *follower) pass(response clientv3.WatchResponse) error {
	if response.IsProgressNotify() {
		return f.hand(cluster.Batch{Revision: response.Header.Revision})
	}
	var batch cluster.Batch
	for _, event := range response.Events {
		if event.Kv.ModRevision <= f.known {
			continue
		}
		batch.Revision = event.Kv.ModRevision
		if told := f.store.event(event.Kv, event.Type == clientv3.EventTypeDelete); told != nil {
			batch.Events = append(batch.Events, told)
		}
	}
	if batch.Revision == 0 {
		return nil
	}
	return f.hand(batch)
}

func (f *follower) hand(batch cluster.Batch) error {
	if f.refused = f.deliver(batch); f.refused != nil {
		return f.refused
	}
	f.known = batch.Revision
	f.heard++
	return nil
}

// event is what a key's last write tells, or nil where it tells nothing that
// this version understands.
func (s *Store) event(kv *keyValue, deleted bool) cluster.Event {
	var event cluster.Event
	var err error
	if deleted {
		event, err = gone(string(kv.Key))
	} else {
		event, err = changed(kv)
	}
	if err != nil {
		s.tell(kv, err)
		return nil
	}
	return event
}

// tell reports a piece of rubbish the first time that any follower meets it.
func (s *Store) tell(kv *keyValue, err error) {
	s.mu.Lock()
	key := string(kv.Key)
	known := s.rubbish[key] == kv.ModRevision
	s.rubbish[key] = kv.ModRevision
	s.mu.Unlock()
	if !known {
		s.report(fmt.Errorf("left out of the facts: %w", err))
	}
}
