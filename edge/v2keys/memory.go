package v2keys

import (
	"context"
	"math"
	"time"

	"argosy/core/keyspace"
)

// Memory keeps the keys in this process alone: the API's meaning without a
// cluster. The differential test compares it with etcd itself.
type Memory struct {
	now     func() time.Time
	replica *replica
}

// NewMemory is an empty keyspace whose index stands where it is told.
func NewMemory(index uint64, now func() time.Time) *Memory {
	return &Memory{now: now, replica: newReplica(index)}
}

// Read answers from the tree; there is no other member to be behind.
func (m *Memory) Read(_ context.Context, get keyspace.Get) (Answer, error) {
	m.replica.mu.Lock()
	defer m.replica.mu.Unlock()
	event, err := m.replica.tree.Get(get, m.now())
	return Answer{Event: event, Index: m.replica.tree.Index()}, err
}

// Write changes the tree and tells those who wait.
func (m *Memory) Write(_ context.Context, write keyspace.Write) (Answer, error) {
	m.replica.mu.Lock()
	defer m.replica.mu.Unlock()
	change, err := m.replica.tree.Apply(write, m.now())
	if err != nil {
		return Answer{}, err
	}
	m.replica.tell(change)
	return Answer{Event: change.Event, Index: m.replica.tree.Index()}, nil
}

// Wait registers a watch.
func (m *Memory) Wait(_ context.Context, watch keyspace.Watch) (Waiting, error) {
	w, err := m.replica.wait(watch, Raft{})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Expire removes what has reached its end.
func (m *Memory) Expire() {
	m.replica.mu.Lock()
	defer m.replica.mu.Unlock()
	m.replica.tell(m.replica.tree.Expire(m.now(), math.MaxInt)...)
}
