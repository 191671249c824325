package runtime

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed says that a mailbox takes nothing any more.
var ErrClosed = errors.New("the mailbox is closed")

// Mailbox passes values to one task, in the order in which they come. It has room
// for some; who sends more waits until there is.
type Mailbox[T any] struct {
	bell Bell // of the task that takes
	room *Semaphore

	mu     sync.Mutex
	values []T
	closed bool
}

// NewMailbox returns a mailbox that rings a bell for each value.
func NewMailbox[T any](on Runtime, bell Bell, room int) *Mailbox[T] {
	return &Mailbox[T]{bell: bell, room: NewSemaphore(on, room)}
}

// Send puts a value in, when there is room. It fails where ctx ends first, and
// with ErrClosed.
func (m *Mailbox[T]) Send(ctx context.Context, value T) error {
	if err := m.room.Acquire(ctx); err != nil {
		return err
	}
	if !m.put(value) {
		return ErrClosed
	}
	return nil
}

// Offer puts a value in if there is room now, and says whether it did.
func (m *Mailbox[T]) Offer(value T) bool {
	return m.room.TryAcquire() && m.put(value)
}

func (m *Mailbox[T]) put(value T) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.values = append(m.values, value)
	m.bell.Ring()
	return true
}

// Take takes the oldest value out, if there is one.
func (m *Mailbox[T]) Take() (value T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.values) == 0 {
		return value, false
	}
	var none T
	value, m.values[0] = m.values[0], none
	m.values = m.values[1:]
	m.room.Release()
	return value, true
}

// Receive waits for a value and takes it out. It fails where ctx ends first, and
// with ErrClosed when there will be none. It is for a mailbox whose bell no other
// rings: that ring would be lost.
func (m *Mailbox[T]) Receive(ctx context.Context) (T, error) {
	for {
		if value, ok := m.Take(); ok {
			return value, nil
		}
		if m.Drained() {
			var none T
			return none, ErrClosed
		}
		if err := m.bell.Wait(ctx, time.Time{}); err != nil {
			var none T
			return none, err
		}
	}
}

// Close has the mailbox take nothing any more. What is in it can be taken still.
func (m *Mailbox[T]) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.room.admitAll()
	m.bell.Ring()
}

// Drained says whether nothing will ever be taken out again.
func (m *Mailbox[T]) Drained() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed && len(m.values) == 0
}
