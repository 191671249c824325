package v2keys

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/keyspace"
)

const (
	// patience is how long a write waits for its outcome: etcd's own five
	// seconds and two elections.
	patience = 7 * time.Second
	// pause is between tries of what the store did not allow.
	pause = 100 * time.Millisecond
)

var errTimeout = errors.New("etcdserver: request timed out")

// ClusterConfig is what a Cluster needs.
type ClusterConfig struct {
	Client *clientv3.Client
	Member string // the member's name here; no two run with the same one
	Now    func() time.Time
	Raft   func() Raft // how far this member is
	Limits Limits      // the same on all members
	// Gateway serves and sends but never decides: for machines that are no members.
	Gateway bool
	// Report is told of what Run gets over by itself. Several goroutines may call it.
	Report func(error)
}

// Cluster keeps the keys in etcd v3. One of these runs beside each member; one
// of them at a time is the sequencer, which decides every write on its own tree
// and commits many in a transaction. The others send it their writes through
// etcd; all, the sequencer's included, follow the log of what was committed,
// from which they answer reads and tell those who wait. A write is answered
// when the log has brought it, so a member always sees what it acknowledged.
type Cluster struct {
	ClusterConfig
	name    string
	orders  atomic.Uint64 // counted, for their names
	posted  atomic.Uint64 // letters, too
	outbox  chan order
	term    atomic.Pointer[term] // while this one is the sequencer
	replica *replica
	loaded  chan struct{} // closed once the replica has been filled

	doubting sync.Mutex // held while somebody doubts the sequencer
	posting  sync.Mutex // held while a letter is posted
	noted    int64      // etcd's revision of the latest note of what was posted; guarded by posting

	mu      sync.Mutex
	pending map[string]chan outcome
	moved   chan struct{} // closed and renewed when the replica has moved; guarded by replica.mu
}

type outcome struct {
	event keyspace.Event
	err   error
}

// NewCluster is one member's part. It does nothing until Run.
func NewCluster(config ClusterConfig) *Cluster {
	return &Cluster{
		ClusterConfig: config,
		name:          rand.Text(),
		outbox:        make(chan order),
		replica:       newReplica(firstIndex),
		loaded:        make(chan struct{}),
		pending:       map[string]chan outcome{},
		moved:         make(chan struct{}),
	}
}

// Run follows the log, sends writes and, unless it is a gateway only, stands for
// sequencer, until ctx ends.
func (c *Cluster) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	todo := map[string]func(context.Context) error{"follow the v2 keys": c.follow, "send v2 writes": c.send}
	if !c.Gateway {
		todo["sequence v2 writes"] = c.sequence
	}
	for doing, part := range todo {
		parts.Go(func() {
			for ctx.Err() == nil {
				if err := part(ctx); err != nil && ctx.Err() == nil {
					c.Report(fmt.Errorf("%s: %w", doing, err))
				}
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	parts.Wait()
	return nil
}

// Read answers from this member; with Quorum once it holds everything that was
// acknowledged before.
func (c *Cluster) Read(ctx context.Context, get keyspace.Get) (Answer, error) {
	if err := c.ready(ctx); err != nil {
		return Answer{}, err
	}
	if get.Quorum {
		if err := c.catchUp(ctx); err != nil {
			return Answer{}, err
		}
	}
	c.replica.mu.Lock()
	defer c.replica.mu.Unlock()
	event, err := c.replica.tree.Get(get, c.Now())
	c.replica.stats.Count(keyspace.ActionGet, err == nil)
	return Answer{Event: event, Index: c.replica.tree.Index(), Raft: c.Raft()}, err
}

// Stats are the reads and refusals of this member, and every write and expiry
// that it learnt of since it began.
func (c *Cluster) Stats() keyspace.Stats {
	c.replica.mu.Lock()
	defer c.replica.mu.Unlock()
	stats := c.replica.stats
	stats.Watchers = uint64(c.replica.watchers.Waiting())
	return stats
}

func (c *Cluster) catchUp(ctx context.Context) error {
	latest, err := c.Client.Get(ctx, indexKey)
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	if len(latest.Kvs) == 0 {
		return nil
	}
	index, err := strconv.ParseUint(string(latest.Kvs[0].Value), 10, 64)
	if err != nil {
		return fmt.Errorf("read %s: %w", indexKey, err)
	}
	return c.await(ctx, index)
}

// Write sends the request to the sequencer and waits until this member has
// learnt the outcome. After an error that is no refusal it may have happened.
func (c *Cluster) Write(ctx context.Context, write keyspace.Write) (Answer, error) {
	o := newOrder(fmt.Sprintf("%s-%020d", c.name, c.orders.Add(1)), write)
	ctx, cancel := context.WithTimeoutCause(ctx, patience+taking(o.bytes()), errTimeout)
	defer cancel()
	if err := c.ready(ctx); err != nil {
		return Answer{}, err
	}
	if err := c.Limits.admit(o); err != nil {
		return Answer{}, err
	}
	done := make(chan outcome, 1)
	c.mu.Lock()
	c.pending[o.ID] = done
	c.mu.Unlock()
	defer c.forget(o.ID)
	select {
	case c.outbox <- o:
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
	var doubting sync.WaitGroup
	defer doubting.Wait()
	doubtful, certain := context.WithCancel(ctx)
	defer certain()
	doubts := time.NewTicker(doubtAfter)
	defer doubts.Stop()
	for {
		select {
		case outcome := <-done:
			if outcome.err != nil {
				c.countFailure(write)
			}
			return c.answer(ctx, outcome)
		case <-doubts.C:
			doubting.Go(func() { c.doubt(doubtful) })
		case <-ctx.Done():
			return Answer{}, context.Cause(ctx)
		}
	}
}

func (c *Cluster) countFailure(write keyspace.Write) {
	c.replica.mu.Lock()
	defer c.replica.mu.Unlock()
	c.replica.stats.Count(keyspace.ActionOf(write), false)
}

// answer lets nobody learn why a write was refused before a read shows it.
func (c *Cluster) answer(ctx context.Context, outcome outcome) (Answer, error) {
	var refusal *keyspace.Error
	if errors.As(outcome.err, &refusal) {
		if err := c.await(ctx, refusal.Index); err != nil {
			return Answer{}, err
		}
	}
	if outcome.err != nil {
		return Answer{}, outcome.err
	}
	return Answer{Event: outcome.event, Index: outcome.event.Node.Modified, Raft: c.Raft()}, nil
}

// Wait registers a watch on this member.
func (c *Cluster) Wait(ctx context.Context, watch keyspace.Watch) (Waiting, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	w, err := c.replica.wait(watch, c.Raft())
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (c *Cluster) ready(ctx context.Context) error {
	select {
	case <-c.loaded:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// await returns when the replica has reached the index.
func (c *Cluster) await(ctx context.Context, index uint64) error {
	for {
		c.replica.mu.Lock()
		there, moved := c.replica.tree.Index() >= index, c.moved
		c.replica.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Cluster) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

// settle tells who asked for it what came of an order, if it was asked here.
func (c *Cluster) settle(id string, o outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if done := c.pending[id]; done != nil {
		done <- o
		delete(c.pending, id)
	}
}

func (c *Cluster) settleRefused(refused []refusedRecord) {
	for _, r := range refused {
		c.settle(r.ID, outcome{err: &keyspace.Error{Code: r.Code, Cause: string(r.Cause), Index: r.Index}})
	}
}

// follow fills the replica and keeps it moving with the log.
func (c *Cluster) follow(ctx context.Context) error {
	snapshot, err := load(ctx, c.Client)
	if err != nil {
		return err
	}
	if err := c.install(snapshot); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	log := c.Client.Watch(watching, logPrefix, clientv3.WithPrefix(), clientv3.WithRev(snapshot.revision+1), clientv3.WithFilterDelete())
	for response := range log {
		if err := response.Err(); err != nil {
			return fmt.Errorf("watch %s: %w", logPrefix, err)
		}
		for _, event := range response.Events {
			var b batch
			if err := json.Unmarshal(event.Kv.Value, &b); err != nil {
				return fmt.Errorf("read %s: %w", event.Kv.Key, err)
			}
			if err := c.learn(b); err != nil {
				return err
			}
		}
	}
	return errors.New("the watch ended")
}

// install brings the replica to the snapshot, by the log if that reaches back
// far enough. If not, those who wait here have missed something and are let go.
func (c *Cluster) install(s snapshot) error {
	c.replica.mu.Lock()
	here := c.replica.tree.Index()
	missed := batch{}
	history := keyspace.NewHistory(s.tree.Index())
	for _, b := range s.log {
		for _, change := range b.Changes {
			history.Record(keyspace.Change{Event: change.event(), Silent: change.Silent})
			if change.Node.Modified > here {
				missed.Changes = append(missed.Changes, change)
			}
		}
	}
	continues := here == s.tree.Index() || len(missed.Changes) > 0 && missed.Changes[0].Node.Modified == here+1
	if !continues {
		c.replica.replace(s.tree, history)
		c.announce()
	}
	c.replica.mu.Unlock()
	if continues {
		if err := c.learn(missed); err != nil {
			return err
		}
	}
	select {
	case <-c.loaded:
	default:
		close(c.loaded)
	}
	return nil
}

// learn makes the replica follow a batch, and answers the writes in it.
func (c *Cluster) learn(b batch) error {
	c.replica.mu.Lock()
	for _, record := range b.Changes {
		change, err := c.replica.tree.Replay(record.event(), record.Silent)
		if err != nil {
			c.replica.mu.Unlock()
			return err
		}
		c.replica.tell(change)
	}
	c.announce()
	c.replica.mu.Unlock()
	for _, record := range b.Changes {
		c.settle(record.ID, outcome{event: record.event()})
	}
	c.settleRefused(b.Refused)
	return nil
}

// announce wakes those in await. The caller holds the replica's lock.
func (c *Cluster) announce() {
	close(c.moved)
	c.moved = make(chan struct{})
}
