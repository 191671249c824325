package runtime

import (
	"context"
	"sync"
	"time"
)

// Group is tasks that one task waits for.
type Group struct {
	on   Runtime
	bell Bell

	mu      sync.Mutex
	running int
}

// NewGroup returns a group of no tasks.
func NewGroup(on Runtime) *Group { return &Group{on: on, bell: on.NewBell()} }

// Go starts a task of the group.
func (g *Group) Go(task func()) {
	g.count(1)
	g.on.Go(func() {
		defer g.count(-1)
		task()
	})
}

// Wait returns when no task of the group runs any more.
func (g *Group) Wait() {
	for g.count(0) > 0 {
		_ = g.bell.Wait(context.Background(), time.Time{}) // which does not end
	}
}

func (g *Group) count(more int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running += more
	if more < 0 && g.running == 0 {
		g.bell.Ring()
	}
	return g.running
}
