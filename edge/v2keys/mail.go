package v2keys

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

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

// mail leaves a letter in etcd. It is not sent again: one whose sending failed
// may have arrived.
func (c *Cluster) mail(ctx context.Context, l letter) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errTimeout)
	defer cancel()
	if _, err := c.Client.Do(ctx, l.left()); err != nil {
		for _, o := range l.orders {
			c.settle(o.ID, outcome{err: err})
		}
	}
}
