package stage

import (
	"context"
	"slices"
	"time"

	"argosy/role/runtime"
)

// Process is tasks that live and die together. It is their runtime.Runtime.
type Process struct {
	stage *Stage
	name  string
	clock *Clock
	tasks []*task

	dead   bool
	paused bool
	held   []*task  // that could run but for the pause
	late   []*event // that would have happened but for the pause
}

// Process begins one that goes by a clock; several may go by the same.
func (s *Stage) Process(name string, clock *Clock) *Process {
	p := &Process{stage: s, name: name, clock: clock}
	s.processes = append(s.processes, p)
	return p
}

// Name is what the process was called.
func (p *Process) Name() string { return p.name }

// Clock is the clock that it goes by.
func (p *Process) Clock() *Clock { return p.clock }

// Kill ends the process at once. Where one of its own tasks calls it, it does not
// return. To kill what is dead does nothing.
func (p *Process) Kill() {
	s := p.stage
	p.dead, p.held, p.late = true, nil, nil
	s.processes = slices.DeleteFunc(s.processes, func(other *Process) bool { return other == p })
	for len(p.tasks) > 0 {
		i := slices.IndexFunc(p.tasks, func(t *task) bool { return t != s.running })
		if i < 0 {
			panic(killed{})
		}
		p.tasks[i].kill()
	}
}

// Dead says whether it was killed.
func (p *Process) Dead() bool { return p.dead }

// Pause stops the process, as SIGSTOP does; its clock goes on. A task of it that
// calls this stops when it next waits.
func (p *Process) Pause() { p.paused = true }

// Resume continues a process that was stopped. What was to happen meanwhile happens
// now, in its order.
func (p *Process) Resume() {
	p.paused = false
	for _, e := range p.late {
		e.at = p.stage.now
		p.stage.schedule(e)
	}
	for _, t := range p.held {
		p.stage.wake(t)
	}
	p.late, p.held = nil, nil
}

// letGo takes out an event that waits for the end of a pause.
func (p *Process) letGo(e *event) bool {
	if p == nil || p.dead {
		return false
	}
	waiting := len(p.late)
	p.late = slices.DeleteFunc(p.late, func(other *event) bool { return other == e })
	return len(p.late) < waiting
}

// Now is the time by the process's clock.
func (p *Process) Now() time.Time { return p.clock.Now() }

// Go starts a task. It does nothing where the process is dead.
func (p *Process) Go(do func()) {
	if !p.dead {
		p.stage.begin(p, do)
	}
}

// AfterFunc has f called once, unless the process is dead then.
func (p *Process) AfterFunc(d time.Duration, f func()) runtime.Timer {
	t := &timer{event{on: p, happen: f}}
	p.alarm(&t.event, d)
	return t
}

// timer is what AfterFunc has promised.
type timer struct{ event }

func (t *timer) Stop() bool { return t.on.stage.cancel(&t.event) }

func (t *timer) Reset(d time.Duration) bool {
	pending := t.Stop()
	t.on.alarm(&t.event, d)
	return pending
}

// never is later than any simulation goes on.
const never = 1000 * 24 * time.Hour

// alarm has an event happen in a time by the process's clock.
func (p *Process) alarm(e *event, d time.Duration) {
	e.meant = p.clock.steady() + min(max(0, d), never)
	e.at = p.clock.trueTime(e.meant)
	p.stage.schedule(e)
}

// NewBell returns a bell, for a task of any process. Times at it are by p's clock.
func (p *Process) NewBell() runtime.Bell { return &bell{on: p} }

// WithCancel is context.WithCancel.
func (p *Process) WithCancel(parent context.Context) (context.Context, context.CancelFunc) {
	c := newScope(parent)
	return c, func() { c.end(context.Canceled) }
}

// WithTimeout is context.WithTimeout, by p's clock.
func (p *Process) WithTimeout(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c := newScope(parent)
	ends := p.Now().Add(d)
	if sooner, has := parent.Deadline(); has && sooner.Before(ends) {
		return c, func() { c.end(context.Canceled) }
	}
	c.deadline = ends
	if d <= 0 {
		c.end(context.DeadlineExceeded)
		return c, func() {}
	}
	timer := p.AfterFunc(d, func() { c.end(context.DeadlineExceeded) })
	return c, func() {
		timer.Stop()
		c.end(context.Canceled)
	}
}
