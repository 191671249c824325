package v2keys

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/keyspace"
)

// How the keys are kept in etcd v3, below Base:
//
//	keys/PATH        the value of a key as it is, for programs of v3 to read
//	nodes/PATH       JSON of what else is known of a key or directory (nodeRecord)
//	index            the index, in decimal digits
//	log/INDEX        JSON of a batch of changes (batch), under the index of its
//	                 last one in 20 digits; those of the history are kept
//	log/refused      JSON of a batch that changed nothing: only its refusals
//	requests/ID      JSON of requests that wait for the sequencer (list of order)
//	posted/MEMBER    the ID of the latest request of that member
//	sequencer/LEASE  who decides: the oldest, while its lease lives
//	security         JSON of users and roles (see securityKey)
//
// The sequencer alone writes the first five, in transactions that compare its
// own key. Programs may read keys/ and must write through the v2 API.
const (
	Base           = "/argosy/v2/"
	valuesPrefix   = Base + "keys"
	nodesPrefix    = Base + "nodes"
	indexKey       = Base + "index"
	logPrefix      = Base + "log/"
	refusedKey     = logPrefix + "refused"
	requestsPrefix = Base + "requests/"
	postedPrefix   = Base + "posted/"
	electionPrefix = Base + "sequencer"
)

// firstIndex is where the index of an empty keyspace stands: as that of etcd 2
// with one member, which uses the first three itself.
const firstIndex = 3

func logKey(index uint64) string { return fmt.Sprintf("%s%020d", logPrefix, index) }

// order is a write on its way to the sequencer.
type order struct {
	ID        string
	Kind      string
	Key       []byte // bytes, for keys and values need not be UTF-8
	Dir       bool   `json:",omitempty"`
	Recursive bool   `json:",omitempty"`
	Value     []byte `json:",omitempty"`
	Expires   int64  `json:",omitempty"` // nanoseconds since 1970; 0 for never
	Refresh   bool   `json:",omitempty"`
	PrevValue []byte `json:",omitempty"`
	PrevIndex uint64 `json:",omitempty"`
}

func newOrder(id string, write keyspace.Write) order {
	o := order{ID: id}
	content := func(key keyspace.Key, kind string, dir bool, c keyspace.Content) {
		o.Key, o.Kind, o.Dir = []byte(key), kind, dir
		o.Value, o.Expires, o.Refresh = []byte(c.Value), nanoseconds(c.Expiration), c.Refresh
	}
	switch w := write.(type) {
	case keyspace.Set:
		content(w.Key, "set", w.Dir, w.Content)
	case keyspace.Create:
		content(w.Key, "create", w.Dir, w.Content)
	case keyspace.CreateInOrder:
		content(w.Directory, "createInOrder", w.Dir, w.Content)
	case keyspace.Update:
		content(w.Key, "update", false, w.Content)
	case keyspace.CompareAndSwap:
		content(w.Key, "compareAndSwap", false, w.Content)
		o.PrevValue, o.PrevIndex = []byte(w.Guard.Value), w.Guard.Index
	case keyspace.CompareAndDelete:
		o.Key, o.Kind = []byte(w.Key), "compareAndDelete"
		o.PrevValue, o.PrevIndex = []byte(w.Guard.Value), w.Guard.Index
	case keyspace.Delete:
		o.Key, o.Kind, o.Dir, o.Recursive = []byte(w.Key), "delete", w.Dir, w.Recursive
	case keyspace.Step:
		o.Kind = "step"
	}
	return o
}

func (o order) write() (keyspace.Write, error) {
	key := keyspace.CleanKey(string(o.Key))
	content := keyspace.Content{Value: string(o.Value), Expiration: moment(o.Expires), Refresh: o.Refresh}
	guard := keyspace.Guard{Value: string(o.PrevValue), Index: o.PrevIndex}
	switch o.Kind {
	case "set":
		return keyspace.Set{Key: key, Dir: o.Dir, Content: content}, nil
	case "create":
		return keyspace.Create{Key: key, Dir: o.Dir, Content: content}, nil
	case "createInOrder":
		return keyspace.CreateInOrder{Directory: key, Dir: o.Dir, Content: content}, nil
	case "update":
		return keyspace.Update{Key: key, Content: content}, nil
	case "compareAndSwap":
		return keyspace.CompareAndSwap{Key: key, Guard: guard, Content: content}, nil
	case "compareAndDelete":
		return keyspace.CompareAndDelete{Key: key, Guard: guard}, nil
	case "delete":
		return keyspace.Delete{Key: key, Dir: o.Dir, Recursive: o.Recursive}, nil
	case "step":
		return keyspace.Step{}, nil
	}
	return nil, fmt.Errorf("the request %s is of unknown kind %q", o.ID, o.Kind)
}

// batch is what one transaction of the sequencer decided.
type batch struct {
	Changes []changeRecord  `json:",omitempty"`
	Refused []refusedRecord `json:",omitempty"`
}

type changeRecord struct {
	ID     string `json:",omitempty"` // of the order; none for an expiry
	Action keyspace.Action
	Node   nodeRecord
	Prev   *nodeRecord `json:",omitempty"`
	Silent bool        `json:",omitempty"`
}

type refusedRecord struct {
	ID    string
	Code  keyspace.Code
	Cause []byte
	Index uint64
}

// nodeRecord is a node; below nodes/ without key and value, which stand elsewhere.
type nodeRecord struct {
	Key      []byte `json:",omitempty"`
	Value    []byte // null where there is none
	Dir      bool   `json:",omitempty"`
	Expires  int64  `json:",omitempty"`
	TTL      int64  `json:",omitempty"`
	Created  uint64
	Modified uint64
}

func recordChange(id string, change keyspace.Change) changeRecord {
	record := changeRecord{ID: id, Action: change.Event.Action, Node: recordNode(change.Event.Node), Silent: change.Silent}
	if change.Event.PrevNode != nil {
		prev := recordNode(change.Event.PrevNode)
		record.Prev = &prev
	}
	return record
}

func (c changeRecord) event() keyspace.Event {
	event := keyspace.Event{Action: c.Action, Node: c.Node.node()}
	if c.Prev != nil {
		event.PrevNode = c.Prev.node()
	}
	return event
}

func recordNode(n *keyspace.Node) nodeRecord {
	record := nodeRecord{
		Key: []byte(n.Key), Dir: n.Dir, Expires: nanoseconds(n.Expiration), TTL: n.TTL,
		Created: n.Created, Modified: n.Modified,
	}
	if n.Value != nil {
		record.Value = append([]byte{}, *n.Value...)
	}
	return record
}

func (r nodeRecord) node() *keyspace.Node {
	n := &keyspace.Node{
		Key: keyspace.Key(r.Key), Dir: r.Dir, Expiration: moment(r.Expires), TTL: r.TTL,
		Created: r.Created, Modified: r.Modified,
	}
	if r.Value != nil {
		value := string(r.Value)
		n.Value = &value
	}
	return n
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// keep is what makes etcd hold the node as the tree has it now.
func keep(tree *keyspace.Tree, key keyspace.Key) []clientv3.Op {
	node, there := tree.Stored(key)
	if !there {
		return []clientv3.Op{clientv3.OpDelete(nodesPrefix + string(key)), clientv3.OpDelete(valuesPrefix + string(key))}
	}
	record := recordNode(&node)
	record.Key, record.Value = nil, nil
	value := clientv3.OpDelete(valuesPrefix + string(key))
	if node.Value != nil {
		value = clientv3.OpPut(valuesPrefix+string(key), *node.Value)
	}
	return []clientv3.Op{clientv3.OpPut(nodesPrefix+string(key), text(record)), value}
}

// kept is a node as it was read back.
func kept(key, record []byte, values map[string]string) (keyspace.Node, error) {
	path := strings.TrimPrefix(string(key), nodesPrefix)
	var read nodeRecord
	if err := json.Unmarshal(record, &read); err != nil {
		return keyspace.Node{}, fmt.Errorf("read %s: %w", key, err)
	}
	read.Key = []byte(path)
	node := *read.node()
	if value, there := values[path]; there && !node.Dir {
		node.Value = &value
	}
	return node, nil
}

// text is a record as it is kept. Our own records always have one.
func text(record any) string {
	encoded, err := json.Marshal(record)
	if err != nil {
		panic(fmt.Sprintf("v2keys: a record that JSON cannot hold: %v", err))
	}
	return string(encoded)
}
