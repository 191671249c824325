package v2keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"argosy/core/keyspace"
)

const (
	// termSeconds is how long after a sequencer's death another may take over.
	termSeconds = 5
	// expireEvery is how often keys are looked at for their end, as in etcd 2.
	expireEvery = 500 * time.Millisecond
	// wide is how many removals are better written as one range.
	wide = 8
)

var (
	errDeposed  = errors.New("another one is the sequencer")
	errReplaced = errors.New("another one is the sequencer meanwhile")
)

// term is the time of one sequencer.
type term struct {
	cluster *Cluster
	office  string       // the key in etcd that it holds
	guard   clientv3.Cmp // holds as long as it does
	indexed int64        // etcd's revision of the latest write of the index
	tree    *keyspace.Tree
	orders  chan []order // by hand; nobody waits in it
	over    chan struct{}

	forgotten uint64 // no change below it is in the log any more
}

// queued is an order with the letter that brought it; none if it came by hand.
type queued struct {
	order
	letter string
}

// sequence waits to be elected and decides until the term is over.
func (c *Cluster) sequence(ctx context.Context) error {
	session, err := concurrency.NewSession(c.Client, concurrency.WithTTL(termSeconds),
		concurrency.WithContext(context.WithoutCancel(ctx)))
	if err != nil {
		return fmt.Errorf("take part in the election: %w", err)
	}
	defer func() { _ = session.Close() }() // if it cannot be given back, the lease ends by itself
	election := concurrency.NewElection(session, electionPrefix)
	if err := election.Campaign(ctx, c.name); err != nil {
		return fmt.Errorf("be elected: %w", err)
	}
	snapshot, err := load(ctx, c.Client)
	if err != nil {
		return err
	}
	t := &term{
		cluster: c, tree: snapshot.tree, indexed: snapshot.indexed, orders: make(chan []order), over: make(chan struct{}),
		office: election.Key(), guard: clientv3.Compare(clientv3.CreateRevision(election.Key()), "=", election.Rev()),
	}
	c.term.Store(t)
	left, err := t.decide(ctx, session.Done(), snapshot)
	close(t.over)
	c.handOn(ctx, left)
	return err
}

// decide returns why the term is over, and the orders that it leaves undone.
func (t *term) decide(ctx context.Context, lost <-chan struct{}, snapshot snapshot) (queue []queued, err error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	deposed := t.cluster.Client.Watch(watching, t.office, clientv3.WithRev(snapshot.revision+1), clientv3.WithFilterPut())
	mail := t.cluster.Client.Watch(watching, requestsPrefix, clientv3.WithPrefix(),
		clientv3.WithRev(snapshot.revision+1), clientv3.WithFilterDelete())
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for _, l := range snapshot.letters {
		queue = append(queue, l.queued()...)
	}
	for {
		for _, due := t.due(); due || len(queue) > 0; _, due = t.due() {
			taken, err := t.commit(ctx, queue)
			queue = queue[taken:]
			if err != nil {
				return queue, err
			}
		}
		select {
		case orders := <-t.orders:
			for _, o := range orders {
				queue = append(queue, queued{order: o})
			}
		case response, open := <-mail:
			if !open || response.Err() != nil {
				return queue, fmt.Errorf("watch %s: %w", requestsPrefix, errors.Join(response.Err(), ctx.Err()))
			}
			for _, event := range response.Events {
				if event.IsCreate() { // else it is our own note of what is left of one
					queue = append(queue, readLetter(event.Kv.Key, event.Kv.Value).queued()...)
				}
			}
		case <-tick.C:
		case <-lost:
			return queue, errDeposed
		case <-deposed:
			return queue, errDeposed
		case <-ctx.Done():
			return queue, nil
		}
	}
}

// due is what has reached its end and comes next.
func (t *term) due() (keyspace.Key, bool) {
	key, at, some := t.tree.NextExpiry()
	return key, some && !at.After(t.cluster.Now())
}

// draft is a transaction in the making.
type draft struct {
	batch
	touched map[keyspace.Key]bool
	ranges  []keyspace.Key // what went with all below it; nothing may follow it
	letters []letter       // what is left of those that were opened, mostly nothing
	bytes   int
}

// commit decides as many of the queue as one transaction holds, after what has
// expired, and writes them. After an error the tree is ahead of the store and
// the term is over; what it took may have happened, but for a deposed one's.
func (t *term) commit(ctx context.Context, queue []queued) (taken int, err error) {
	d := draft{touched: map[keyspace.Key]bool{}}
	for key, due := t.due(); due && t.room(&d, order{Key: []byte(key)}); key, due = t.due() {
		for _, change := range t.tree.Expire(t.cluster.Now(), 1) {
			d.add("", change)
		}
	}
	for _, q := range queue {
		if !t.room(&d, q.order) {
			break
		}
		taken++
		d.open(q.letter)
		t.apply(&d, q.order)
	}
	d.leave(queue[taken:])
	switch err := t.write(ctx, d); {
	case errors.Is(err, errDeposed):
		return 0, err
	case err != nil:
		for _, q := range queue[:taken] {
			if q.letter == "" {
				t.cluster.settle(q.ID, outcome{err: err})
			}
		}
		return taken, err
	}
	return taken, nil
}

// room tells whether the order surely fits; the first always does.
func (t *term) room(d *draft, o order) bool {
	limits := t.cluster.Limits
	nodes := 1
	key := keyspace.CleanKey(string(o.Key))
	present, _ := t.tree.Stored(key)
	bytes := 3*len(o.Value) + 2*len(key) + 500
	for above := key.Parent(); above != keyspace.Root; above = above.Parent() {
		if _, there := t.tree.Stored(above); there {
			break
		}
		nodes++
		bytes += 2*len(above) + recordBytes
	}
	if present.Value != nil {
		bytes += 2 * len(*present.Value)
	}
	used := 2*len(d.touched) + len(d.letters)
	first := used == 0 && len(d.Refused) == 0
	fits := used+2*nodes+2*wide+1 <= limits.operations() && d.bytes+bytes <= limits.batchBytes() && len(d.ranges) == 0
	if first || fits {
		d.bytes += bytes
		return true
	}
	return false
}

func (t *term) apply(d *draft, o order) {
	write, err := o.write()
	if err != nil {
		d.Refused = append(d.Refused, refusedRecord{o.ID, keyspace.InvalidForm, []byte(err.Error()), t.tree.Index()})
		return
	}
	change, err := t.tree.Apply(write, t.cluster.Now())
	var refusal *keyspace.Error
	if errors.As(err, &refusal) {
		d.Refused = append(d.Refused, refusedRecord{o.ID, refusal.Code, []byte(refusal.Cause), refusal.Index})
		return
	}
	d.add(o.ID, change)
}

func (d *draft) add(id string, change keyspace.Change) {
	d.Changes = append(d.Changes, recordChange(id, change))
	if len(change.Gone) > wide {
		d.ranges = append(d.ranges, change.Event.Node.Key)
		for _, gone := range change.Gone {
			delete(d.touched, gone)
		}
		return
	}
	for _, key := range change.Touched() {
		d.touched[key] = true
	}
}

// write makes the transaction.
func (t *term) write(ctx context.Context, d draft) error {
	var then []clientv3.Op
	for _, key := range slices.Sorted(maps.Keys(d.touched)) {
		then = append(then, keep(t.tree, key)...)
	}
	for _, key := range d.ranges {
		for _, prefix := range []string{nodesPrefix, valuesPrefix} {
			then = append(then, clientv3.OpDelete(prefix+string(key)),
				clientv3.OpDelete(prefix+string(key)+"/", clientv3.WithPrefix()))
		}
	}
	for _, l := range d.letters {
		then = append(then, l.left())
	}
	index := t.tree.Index()
	switch {
	case len(d.Changes) > 0:
		then = append(then, clientv3.OpPut(indexKey, strconv.FormatUint(index, 10)), clientv3.OpPut(logKey(index), text(d.batch)))
		if index > keyspace.HistoryEvents {
			// Not from 0: etcd would walk all that was deleted since its last compaction.
			then = append(then, clientv3.OpDelete(logKey(t.forgotten), clientv3.WithRange(logKey(index-keyspace.HistoryEvents))))
			t.forgotten = index - keyspace.HistoryEvents
		}
	case len(d.letters) > 0:
		then = append(then, clientv3.OpPut(refusedKey, text(d.batch)))
	}
	if err := t.persist(ctx, d, then); err != nil {
		return err
	}
	if len(d.Changes) == 0 && len(d.letters) == 0 {
		t.cluster.settleRefused(d.Refused) // nobody else waits for them
	}
	return nil
}

// persist tries until the transaction is in etcd, which loses some when its leader
// is lost. Each attempt compares the office and that the index has not moved, so
// the transaction is carried out once at most. errDeposed says that it never will be.
func (t *term) persist(ctx context.Context, d draft, then []clientv3.Op) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience+taking(d.bytes), errTimeout)
	defer cancel()
	guards := []clientv3.Cmp{t.guard, clientv3.Compare(clientv3.ModRevision(indexKey), "=", t.indexed)}
	look := []clientv3.Op{clientv3.OpGet(indexKey), clientv3.OpGet(logKey(t.tree.Index()))}
	for certain := true; ; certain = false {
		attempt, stop := context.WithTimeout(ctx, attemptTime+taking(d.bytes))
		done, err := t.cluster.Client.Txn(attempt).If(guards...).Then(t.cluster.Limits.parted(then)...).Else(look...).Commit()
		stop()
		switch {
		case err != nil && mayBeLost(err) && rest(ctx):
			continue
		case err != nil:
			return fmt.Errorf("commit %d changes up to %d: %w", len(d.Changes), t.tree.Index(), err)
		case done.Succeeded && len(d.Changes) > 0:
			t.indexed = done.Header.Revision
			return nil
		case done.Succeeded:
			return nil
		}
		index, log := done.Responses[0].GetResponseRange().Kvs, done.Responses[1].GetResponseRange().Kvs
		unmoved := t.indexed == 0 && len(index) == 0 || len(index) > 0 && index[0].ModRevision == t.indexed
		switch {
		case certain || unmoved && len(d.Changes) > 0:
			return errDeposed
		case len(log) > 0 && len(d.Changes) > 0 && string(log[0].Value) == text(d.batch):
			t.indexed = log[0].ModRevision // an attempt that was thought lost
			return nil
		}
		return fmt.Errorf("commit %d changes up to %d: %w: %w", len(d.Changes), t.tree.Index(), errTimeout, errReplaced)
	}
}
