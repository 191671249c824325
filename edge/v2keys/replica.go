package v2keys

import (
	"context"
	"sync"

	"argosy/core/keyspace"
)

// backlog is how many events a stream may be behind before it is cut off, as
// etcd does: a reader who does not read must not hold memory for ever.
const backlog = 100

// replica is one member's picture of the keys, with those who wait on it.
type replica struct {
	mu       sync.Mutex
	tree     *keyspace.Tree
	history  *keyspace.History
	watchers *keyspace.Watchers
	waiting  map[keyspace.WatcherID]*waiter
	stats    keyspace.Stats // since this process began
}

func newReplica(index uint64) *replica {
	return &replica{
		tree:     keyspace.New(index),
		history:  keyspace.NewHistory(index),
		watchers: keyspace.NewWatchers(),
		waiting:  map[keyspace.WatcherID]*waiter{},
	}
}

// tell records changes that the tree has already made. The caller holds mu.
func (r *replica) tell(changes ...keyspace.Change) {
	for _, change := range changes {
		r.history.Record(change)
		r.stats.Count(change.Event.Action, true)
		for _, id := range r.watchers.Tell(change) {
			w := r.waiting[id]
			if w == nil {
				continue // cut off between the two events of its own key's end
			}
			if !w.offer(change.Event) {
				r.drop(w)
			}
		}
	}
}

// replace puts another tree in place of one that has missed too much, and lets
// go of all who wait, for they have missed it, too. The caller holds mu.
func (r *replica) replace(tree *keyspace.Tree, history *keyspace.History) {
	for _, w := range r.waiting {
		r.drop(w)
	}
	r.tree, r.history = tree, history
}

// drop forgets a waiter and ends its events. The caller holds mu.
func (r *replica) drop(w *waiter) {
	if r.waiting[w.id] != w {
		return
	}
	delete(r.waiting, w.id)
	r.watchers.Remove(w.watch, w.id)
	close(w.events)
}

// wait registers a watch, or answers it from the history. A stream that begins
// in the past gets its first event and then no other: etcd does the same, and
// its clients ask again from there.
func (r *replica) wait(watch keyspace.Watch, raft Raft) (*waiter, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	past, found, err := r.history.First(watch)
	if err != nil {
		return nil, err
	}
	w := &waiter{replica: r, watch: watch, since: r.tree.Index(), raft: raft, events: make(chan keyspace.Event, 1)}
	if found {
		w.events <- past
		return w, nil
	}
	if len(r.waiting) >= mostWaits {
		return nil, errTooManyWaits
	}
	if watch.Stream {
		w.events = make(chan keyspace.Event, backlog)
	}
	w.id = r.watchers.Add(watch)
	r.waiting[w.id] = w
	return w, nil
}

// waiter is a watch on a replica.
type waiter struct {
	replica *replica
	id      keyspace.WatcherID // 0 if it was answered from the history
	watch   keyspace.Watch
	since   uint64
	raft    Raft
	events  chan keyspace.Event
}

func (w *waiter) offer(event keyspace.Event) bool {
	select {
	case w.events <- event:
		return true
	default:
		return false
	}
}

func (w *waiter) Since() (uint64, Raft) { return w.since, w.raft }

func (w *waiter) Next(ctx context.Context) (keyspace.Event, bool) {
	select {
	case event, more := <-w.events:
		return event, more
	case <-ctx.Done():
		return keyspace.Event{}, false
	}
}

func (w *waiter) Close() {
	w.replica.mu.Lock()
	defer w.replica.mu.Unlock()
	w.replica.drop(w)
}
