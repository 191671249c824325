// Package stage runs tasks in virtual time, one at a time, in an order that a seed
// alone decides. What stands on role/runtime runs on it as it runs on Go's own
// runtime: a Process is a runtime.Runtime.
//
//	s := stage.New(rand.New(rand.NewPCG(seed, 0)), start)
//	defer s.End()
//	p := s.Process("core-01 fleetd", s.Clock())
//	p.Go(func() { err = agent.Run(ctx) })     // ctx from p.WithCancel
//	s.After(time.Minute, p.Kill)
//	err := s.Run(start.Add(time.Hour))
//
// A task is a coroutine. It runs until it waits at a bell, and then another one
// does, drawn from those that can; when none can, time goes on to the next event.
// Computing takes no time. Events of one moment happen in the order in which they
// were asked for. Equal seeds give equal runs, as long as nothing else that runs in
// them draws lots, looks at a clock or walks over a map in an order that matters;
// Digest tells whether two runs were equal.
//
// A Process is what is killed, or stopped and continued, at once. What a killed one
// had deferred is done, since its stacks are unwound, but it cannot wait any more: a
// deferred function that would ends there. Nothing of it is left in memory.
//
// Contexts that a task waits with come from a Process, or from one of these by
// context.WithValue and WithoutCancel. Those of context.WithCancel, WithTimeout and
// AfterFunc start goroutines of their own, which know no seed: to wait with such a
// one is a panic.
package stage

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// mostSteps is how many steps the tasks may take in one moment of time. More are
// tasks that wake one another for ever.
const mostSteps = 1 << 20

// Stage is virtual time, and the tasks that live in it. It is not safe for use by
// several goroutines, but by the tasks on it, and their deferred functions, it is.
type Stage struct {
	rand  *rand.Rand
	start time.Time
	now   time.Duration // since the start

	events    events
	asked     uint64  // how many events were, for their order
	ready     []*task // that can run
	running   *task   // nil while an event happens
	processes []*Process

	tasks  uint64 // that were started, for their numbers
	steps  int
	digest uint64
	failed error
}

// New returns a stage where it is start and nothing runs. All choices are drawn
// from rand.
func New(rand *rand.Rand, start time.Time) *Stage {
	return &Stage{rand: rand, start: start, digest: 14695981039346656037}
}

// Now is the true time, which no process knows.
func (s *Stage) Now() time.Time { return s.start.Add(s.now) }

// After has something happen in a time from now, whatever becomes of any process.
// f must not wait; it may do anything else.
func (s *Stage) After(d time.Duration, f func()) {
	s.schedule(&event{at: s.now + max(0, d), happen: f})
}

// Run has the tasks run and events happen until it is a given time. It fails where
// a task has panicked, and where tasks wake one another for ever; it must not be
// called again then, but for End.
func (s *Stage) Run(until time.Time) error {
	last := until.Sub(s.start)
	for s.failed == nil {
		s.runReady()
		if len(s.events) == 0 || s.events[0].at > last {
			break
		}
		s.happen(s.events.pop())
	}
	s.now = max(s.now, last)
	return s.failed
}

// Steps is how often a task has run so far.
func (s *Stage) Steps() int { return s.steps }

// Digest is a number that tells the order in which tasks have run, and when.
func (s *Stage) Digest() uint64 { return s.digest }

// End kills all processes, so that nothing is left of the simulation.
func (s *Stage) End() {
	for len(s.processes) > 0 {
		s.processes[0].Kill()
	}
	s.events, s.ready = nil, nil
}

// runReady has tasks run until none can.
func (s *Stage) runReady() {
	most := s.steps + mostSteps
	for len(s.ready) > 0 && s.failed == nil {
		t := s.draw()
		switch {
		case t.ended:
			continue
		case t.on.paused:
			t.on.held = append(t.on.held, t)
			continue
		}
		if s.steps++; s.steps > most {
			s.failed = fmt.Errorf("at %s tasks wake one another for ever; one is of process %q", s.Now(), t.on.name)
		}
		s.note(uint64(s.now), t.id)
		t.step()
	}
}

// draw takes one of the tasks that can run.
func (s *Stage) draw() *task {
	last, i := len(s.ready)-1, 0
	if last > 0 {
		i = s.rand.IntN(last + 1)
	}
	t := s.ready[i]
	s.ready[i], s.ready[last] = s.ready[last], nil
	s.ready = s.ready[:last]
	t.ready = false
	return t
}

// note has the digest tell of something; it is FNV-1a over words.
func (s *Stage) note(words ...uint64) {
	for _, word := range words {
		s.digest = (s.digest ^ word) * 1099511628211
	}
}
