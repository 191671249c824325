package runtime

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Semaphore has a number of places. Who finds none free waits in line.
type Semaphore struct {
	on Runtime

	mu   sync.Mutex
	free int
	open bool // there is room for everyone from now on
	line []*waiter
}

// waiter is a task that waits for a place.
type waiter struct {
	bell     Bell
	admitted bool
}

// NewSemaphore returns one with all its places free.
func NewSemaphore(on Runtime, places int) *Semaphore { return &Semaphore{on: on, free: places} }

// Acquire takes a place, when there is one. It fails only where ctx ends first.
func (s *Semaphore) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.take() {
		s.mu.Unlock()
		return nil
	}
	w := &waiter{bell: s.on.NewBell()}
	s.line = append(s.line, w)
	s.mu.Unlock()
	for {
		err := w.bell.Wait(ctx, time.Time{})
		s.mu.Lock()
		if !w.admitted && err != nil {
			s.line = slices.DeleteFunc(s.line, func(other *waiter) bool { return other == w })
		}
		admitted := w.admitted
		s.mu.Unlock()
		if admitted {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// TryAcquire takes a place if there is one now.
func (s *Semaphore) TryAcquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take()
}

// take takes a free place. s.mu is held.
func (s *Semaphore) take() bool {
	if s.open {
		return true
	}
	if s.free == 0 {
		return false
	}
	s.free--
	return true
}

// Release gives a place back, to the first in line if there is one.
func (s *Semaphore) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) == 0 {
		s.free++
		return
	}
	s.line[0].admit()
	s.line = s.line[1:]
}

func (w *waiter) admit() {
	w.admitted = true
	w.bell.Ring()
}

// Gate is shut until it is opened, and then stays open.
type Gate struct{ places *Semaphore }

// NewGate returns one that is shut.
func NewGate(on Runtime) *Gate { return &Gate{NewSemaphore(on, 0)} }

// Open lets everyone through from now on.
func (g *Gate) Open() { g.places.admitAll() }

// IsOpen says whether Open was called.
func (g *Gate) IsOpen() bool { return g.places.TryAcquire() }

// Wait waits for Open, or until ctx ends.
func (g *Gate) Wait(ctx context.Context) error { return g.places.Acquire(ctx) }

// admitAll admits everyone, now and from now on.
func (s *Semaphore) admitAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = true
	for _, w := range s.line {
		w.admit()
	}
	s.line = nil
}
