package stage

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"time"
)

// task is one that runs in turn with others.
type task struct {
	id     uint64
	on     *Process
	resume func() (struct{}, bool) // runs it until it waits; false when it has ended
	unwind func()                  // ends it where it waits
	pause  func(struct{}) bool     // leaves it; false when it is to unwind
	ready  bool                    // it stands among those that can run
	ended  bool
	alarm  event // of its waiting until a time
}

// killed is what unwinds a task's stack.
type killed struct{}

// begin starts a task.
func (s *Stage) begin(on *Process, do func()) {
	s.tasks++
	t := &task{id: s.tasks, on: on}
	t.alarm = event{on: on, happen: func() { s.wake(t) }}
	t.resume, t.unwind = iter.Pull(func(pause func(struct{}) bool) {
		t.pause = pause
		defer t.recover()
		do()
	})
	on.tasks = append(on.tasks, t)
	s.wake(t)
}

// recover ends an unwinding, and has the simulation fail where a task panics.
func (t *task) recover() {
	switch fault := recover(); fault {
	case nil, killed{}:
	default:
		s := t.on.stage
		s.failed = fmt.Errorf("at %s a task of process %q panicked: %v\n%s", s.Now(), t.on.name, fault, debug.Stack())
	}
}

// step has the task run until it waits or ends.
func (t *task) step() {
	s := t.on.stage
	before := s.running
	s.running = t
	defer func() { s.running = before }()
	if _, more := t.resume(); !more {
		t.leave()
	}
}

// kill unwinds a task that does not run.
func (t *task) kill() {
	s := t.on.stage
	before := s.running
	s.running = t
	defer func() { s.running = before }()
	t.leave()
	t.unwind()
}

func (t *task) leave() {
	t.ended = true
	t.on.tasks = slices.DeleteFunc(t.on.tasks, func(other *task) bool { return other == t })
}

// wake has a task run, when it is drawn.
func (s *Stage) wake(t *task) {
	if !t.ready && !t.ended {
		t.ready = true
		s.ready = append(s.ready, t)
	}
}

// bell is a bell of a process.
type bell struct {
	on      *Process
	rung    bool
	waiting *task
}

func (b *bell) Ring() {
	b.rung = true
	if b.waiting != nil {
		b.on.stage.wake(b.waiting)
	}
}

// Wait lets others run at least once, whether there is anything to wait for or not.
func (b *bell) Wait(ctx context.Context, until time.Time) error {
	s := b.on.stage
	t := s.running
	switch {
	case t == nil:
		panic("the stage: an event waits, which only tasks may")
	case t.on.dead:
		panic(killed{}) // again: what was deferred waits
	case b.waiting != nil:
		panic("the stage: two tasks wait at one bell")
	}
	scope := scopeOf(ctx)
	b.waiting = t
	scope.admit(t)
	if !until.IsZero() {
		b.on.alarm(&t.alarm, until.Sub(b.on.Now()))
	}
	if b.rung || ctx.Err() != nil {
		s.wake(t)
	}
	defer func() {
		b.waiting = nil
		scope.letGo(t)
		s.cancel(&t.alarm)
	}()
	if !t.pause(struct{}{}) {
		panic(killed{})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.rung = false
	return nil
}
