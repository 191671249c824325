package stage

import (
	"context"
	"slices"
	"time"
)

// scope is a context that ends on the stage: at once for all, in a fixed order.
type scope struct {
	context.Context // its parent
	up              *scope
	within          []*scope // whose parent it is, and that have not ended
	waiting         []*task
	deadline        time.Time     // zero where it has none but its parent's
	done            chan struct{} // made when it is asked for, which tasks do not
	err             error
}

// newScope returns one in a parent, with which it ends.
func newScope(parent context.Context) *scope {
	c := &scope{Context: parent, up: scopeOf(parent)}
	if err := parent.Err(); err != nil {
		c.end(err)
	} else if c.up != nil {
		c.up.within = append(c.up.within, c)
	}
	return c
}

// scopeOf is the scope that a context ends with; nil where it does not end.
func scopeOf(ctx context.Context) *scope {
	if c, is := ctx.(*scope); is {
		return c
	}
	if ctx.Done() == nil {
		return nil
	}
	c, is := ctx.Value(scopeKey{}).(*scope)
	if !is || c.Done() != ctx.Done() {
		panic("the stage: a context that ends was not made by a Process: use runtime.Runtime's WithCancel and WithTimeout")
	}
	return c
}

// scopeKey is what a context tells its scope for.
type scopeKey struct{}

func (c *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func (c *scope) Done() <-chan struct{} {
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

func (c *scope) Err() error { return c.err }

func (c *scope) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.Context.Deadline()
	}
	return c.deadline, true
}

// end ends the scope and all within it, and wakes those who wait with them.
func (c *scope) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	for _, t := range c.waiting {
		t.on.stage.wake(t)
	}
	within := c.within
	c.within = nil
	for _, inner := range within {
		inner.end(err)
	}
	if c.up != nil && c.up.err == nil {
		c.up.within = slices.DeleteFunc(c.up.within, func(other *scope) bool { return other == c })
	}
}

// admit has the scope's end wake a task, until letGo is called. A context that
// does not end, which has no scope, wakes nobody.
func (c *scope) admit(t *task) {
	if c != nil {
		c.waiting = append(c.waiting, t)
	}
}

func (c *scope) letGo(t *task) {
	if c != nil {
		c.waiting = slices.DeleteFunc(c.waiting, func(other *task) bool { return other == t })
	}
}
