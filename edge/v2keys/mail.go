package v2keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// together is how many orders are handed over or sent at once.
const together = 200

// letter is orders of one member that lie in etcd until the sequencer has
// carried them out.
type letter struct {
	id     string
	orders []order
}

// readLetter reads what was left in etcd. One that cannot be read holds one
// order of no kind, which is refused like any that is not understood.
func readLetter(key, record []byte) letter {
	l := letter{id: strings.TrimPrefix(string(key), requestsPrefix)}
	if json.Unmarshal(record, &l.orders) != nil || len(l.orders) == 0 {
		l.orders = []order{{ID: l.id}}
	}
	return l
}

func (l letter) bytes() int {
	bytes := 0
	for _, o := range l.orders {
		bytes += o.bytes()
	}
	return bytes
}

func (l letter) queued() []queued {
	orders := make([]queued, len(l.orders))
	for i, o := range l.orders {
		orders[i] = queued{o, l.id}
	}
	return orders
}

// left makes etcd hold what is left to do of the letter.
func (l letter) left() clientv3.Op {
	if len(l.orders) == 0 {
		return clientv3.OpDelete(requestsPrefix + l.id)
	}
	return clientv3.OpPut(requestsPrefix+l.id, text(l.orders))
}

// open notes that an order of the letter is carried out. A letter's orders
// follow each other in the queue.
func (d *draft) open(id string) {
	if last := len(d.letters) - 1; id != "" && (last < 0 || d.letters[last].id != id) {
		d.letters = append(d.letters, letter{id: id})
	}
}

// leave puts what did not fit back into the letter that was opened last, so that
// a successor begins where this transaction ends.
func (d *draft) leave(rest []queued) {
	if len(d.letters) == 0 {
		return
	}
	last := &d.letters[len(d.letters)-1]
	for _, q := range rest {
		if q.letter != last.id {
			return
		}
		last.orders = append(last.orders, q.order)
	}
}

// send brings orders to the sequencer: by hand if it is here, else through
// etcd, where they wait for whoever it is. One letter is on its way at a time:
// orders gather meanwhile, and few full letters are faster than many small ones.
func (c *Cluster) send(ctx context.Context) error {
	var gathered []order
	for {
		var outbox chan order
		if len(gathered) < together {
			outbox = c.outbox
		}
		if len(gathered) == 0 {
			select {
			case o := <-outbox:
				gathered = append(gathered, o)
			case <-ctx.Done():
				return nil
			}
			continue
		}
		here := c.term.Load()
		if here == nil {
			c.mail(ctx, c.enclose(&gathered))
			continue
		}
		select {
		case o := <-outbox:
			gathered = append(gathered, o)
		case here.orders <- gathered:
			gathered = nil
		case <-here.over:
			c.term.CompareAndSwap(here, nil)
		case <-ctx.Done():
			return nil
		}
	}
}

// enclose takes as many orders as one letter may hold, with those that wait already.
func (c *Cluster) enclose(gathered *[]order) letter {
	for more := true; more && len(*gathered) < together; {
		select {
		case o := <-c.outbox:
			*gathered = append(*gathered, o)
		default:
			more = false
		}
	}
	held, bytes := 0, 0
	for held < len(*gathered) && bytes < c.Limits.batchBytes() {
		o := (*gathered)[held]
		bytes += 2*(len(o.Key)+len(o.Value)+len(o.PrevValue)) + 100
		held++
	}
	l := letter{id: fmt.Sprintf("%s-%020d", c.name, c.posted.Add(1)), orders: (*gathered)[:held:held]}
	*gathered = (*gathered)[held:]
	return l
}

// handOn leaves orders that came by hand, and were surely not carried out, to
// whoever is the next sequencer.
func (c *Cluster) handOn(ctx context.Context, left []queued) {
	var orders []order
	for _, q := range left {
		if q.letter == "" {
			orders = append(orders, q.order)
		}
	}
	for len(orders) > 0 {
		c.mail(ctx, c.enclose(&orders))
	}
}

// mail leaves a letter in etcd.
func (c *Cluster) mail(ctx context.Context, l letter) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience+taking(l.bytes()), errTimeout)
	defer cancel()
	if err := c.post(ctx, l); err != nil {
		for _, o := range l.orders {
			c.settle(o.ID, outcome{err: err})
		}
	}
}

// post tries until the letter is in etcd, which loses some when its leader is lost.
// Each attempt compares what this member has posted before, so that none comes
// through after another, and notes what it posts.
func (c *Cluster) post(ctx context.Context, l letter) error {
	c.posting.Lock()
	defer c.posting.Unlock()
	note := postedPrefix + c.Member
	for {
		attempt, stop := context.WithTimeout(ctx, attemptTime+taking(l.bytes()))
		done, err := c.Client.Txn(attempt).If(clientv3.Compare(clientv3.ModRevision(note), "=", c.noted)).
			Then(l.left(), clientv3.OpPut(note, l.id)).Else(clientv3.OpGet(note)).Commit()
		stop()
		switch {
		case err != nil && mayBeLost(err) && rest(ctx):
			continue
		case err != nil:
			return err
		case done.Succeeded:
			c.noted = done.Header.Revision
			return nil
		}
		c.noted = 0
		for _, found := range done.Responses[0].GetResponseRange().Kvs {
			c.noted = found.ModRevision
			if string(found.Value) == l.id {
				return nil // an attempt that was thought lost
			}
		}
	}
}

// attemptTime is how long a transaction may take before another attempt is made,
// more than etcd takes unless it has lost its leader.
const attemptTime = 700 * time.Millisecond

// rest waits before another attempt; false if ctx has ended.
func rest(ctx context.Context) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// mayBeLost tells whether a transaction may have been lost on its way, or come
// through nevertheless.
func mayBeLost(err error) bool {
	for _, lost := range []error{
		context.DeadlineExceeded, rpctypes.ErrTimeout, rpctypes.ErrTimeoutDueToLeaderFail,
		rpctypes.ErrTimeoutDueToConnectionLost, rpctypes.ErrNoLeader, rpctypes.ErrLeaderChanged,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}
