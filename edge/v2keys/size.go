package v2keys

import (
	"fmt"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Limits are how large one transaction of etcd may be. Every change must fit into
// one, with what it replaces, so they bound values and keys. The zero value is
// etcd's own default.
type Limits struct {
	RequestBytes uint // etcd's --max-request-bytes
	Operations   uint // etcd's --max-txn-ops
}

const (
	defaultRequestBytes = 1536 << 10
	defaultOperations   = 128
	// ownBytes and ownOperations are for what each transaction has.
	ownBytes      = 64 << 10
	ownOperations = 8
	// recordBytes is what a node takes beside its names and value.
	recordBytes = 150
)

func (l Limits) requestBytes() int {
	if l.RequestBytes == 0 {
		return defaultRequestBytes
	}
	return int(l.RequestBytes)
}

// largestValue leaves room for a value three times, as it is and twice in the log:
// as what came and as what was there before, in base64.
func (l Limits) largestValue() int { return l.requestBytes() / 4 }

// largestForm holds the largest value with each byte written as %XX.
func (l Limits) largestForm() int64 { return int64(3*l.largestValue() + ownBytes) }

func (l Limits) tooLarge() error {
	return fmt.Errorf("etcdserver: request is too large: %d bytes at most", l.largestValue())
}

// batchBytes is where a batch is full.
func (l Limits) batchBytes() int { return l.requestBytes() / 2 }

// operations are what one transaction may hold.
func (l Limits) operations() int {
	if l.Operations == 0 {
		return defaultOperations - ownOperations
	}
	return max(int(l.Operations)-ownOperations, 2*wide)
}

// nested is into how many transactions within the transaction its operations are
// parted where they are more, and how many each holds: etcd counts them apart.
func (l Limits) nested() int { return l.operations() / 2 }

// deepest is how many parts a key may have, each two operations.
func (l Limits) deepest() int { return (l.nested()*l.nested() - ownOperations) / 2 }

// taking is how much longer what has so many bytes may take: a slow disk's time.
func taking(bytes int) time.Duration { return time.Duration(bytes) * time.Second / (1 << 20) }

// bytes are what the order and its change take, at most.
func (o order) bytes() int { return 4*(len(o.Value)+len(o.PrevValue)) + pathBytes(string(o.Key)) }

// parted makes one transaction hold the operations, however many.
func (l Limits) parted(operations []clientv3.Op) []clientv3.Op {
	if len(operations) <= l.operations() {
		return operations
	}
	var parts []clientv3.Op
	for part := range slices.Chunk(operations, l.nested()) {
		parts = append(parts, clientv3.OpTxn(nil, part, nil))
	}
	return parts
}

// admit refuses what no transaction could hold.
func (l Limits) admit(o order) error {
	content := len(o.Value) + len(o.PrevValue)
	if content > l.largestValue() {
		return l.tooLarge()
	}
	// With a value in base64, and what it replaces.
	room := l.requestBytes() - ownBytes - 7*content/3 - 4*l.largestValue()/3
	if bytes := pathBytes(string(o.Key)); bytes > room {
		return fmt.Errorf("etcdserver: the key takes %d bytes with its directories: %d at most", bytes, room)
	}
	if parts := strings.Count(string(o.Key), "/"); parts > l.deepest() {
		return fmt.Errorf("etcdserver: the key has %d parts: %d at most", parts, l.deepest())
	}
	return nil
}

// pathBytes is what the directories to a key take, and the key, each under its
// whole name in two places.
func pathBytes(key string) int {
	bytes := 0
	for i := range len(key) {
		if key[i] == '/' {
			bytes += 2*i + recordBytes
		}
	}
	return bytes + 2*len(key) + recordBytes
}
