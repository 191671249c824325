package stage

import (
	"context"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"argosy/role/runtime"
	"argosy/role/runtime/runtimetest"
)

var (
	start      = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	background = context.Background()
)

// stand is a stage of a test, which notes what its tasks say.
type stand struct {
	*testing.T
	*Stage
	said []string
}

func newStand(t *testing.T, seed uint64) *stand {
	s := &stand{T: t, Stage: New(rand.New(rand.NewPCG(seed, 0)), start)}
	t.Cleanup(s.End)
	return s
}

func (s *stand) process() *Process { return s.Process("test", s.Clock()) }

func (s *stand) say(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf("%v ", s.now)+fmt.Sprintf(format, args...))
}

// run has time pass.
func (s *stand) run(d time.Duration) {
	s.Helper()
	if err := s.Stage.Run(s.Now().Add(d)); err != nil {
		s.Fatal(err)
	}
}

func (s *stand) want(said ...string) {
	s.Helper()
	if !slices.Equal(s.said, said) {
		s.Errorf("said %q, want %q", s.said, said)
	}
	s.said = nil
}

// ticks says something each second.
func (s *stand) ticks(p *Process, what string) {
	p.Go(func() {
		for runtime.Sleep(background, p, time.Second) == nil {
			s.say("%s", what)
		}
	})
}

func TestRuntime(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, test func(*testing.T, runtime.Runtime)) {
		for seed := range uint64(20) {
			s := newStand(t, seed)
			p, done := s.process(), false
			p.Go(func() {
				test(t, p)
				done = true
			})
			if s.run(24 * time.Hour); !done {
				t.Fatalf("seed %d: the test waits for ever", seed)
			}
		}
	})
}

// TestSeed: equal seeds give equal runs, others others.
func TestSeed(t *testing.T) {
	run := func(seed uint64) (string, uint64) {
		s := newStand(t, seed)
		p := s.process()
		place := runtime.NewSemaphore(p, 2)
		for i := range 5 {
			p.Go(func() {
				for j := range 20 {
					if place.Acquire(background) == nil {
						s.say("%d.%d", i, j)
						_ = runtime.Sleep(background, p, time.Duration(s.rand.IntN(1000)))
						place.Release()
					}
				}
			})
		}
		s.run(time.Hour)
		return strings.Join(s.said, "\n"), s.Digest()
	}
	traces := map[string]bool{}
	for seed := range uint64(10) {
		trace, digest := run(seed)
		again, same := run(seed)
		if trace != again || digest != same {
			t.Errorf("seed %d gives two runs", seed)
		}
		traces[trace] = true
	}
	if len(traces) != 10 {
		t.Errorf("10 seeds give %d runs", len(traces))
	}
}

func TestKill(t *testing.T) {
	s := newStand(t, 1)
	p, other := s.process(), s.process()
	s.ticks(p, "one")
	s.ticks(other, "other")
	bell := other.NewBell()
	p.Go(func() {
		defer s.say("unwound")
		defer p.Go(func() { s.say("a task of the dead") })
		defer func() { _ = runtime.Sleep(background, p, time.Second); s.say("a dead task has slept") }()
		_ = bell.Wait(background, time.Time{})
		s.say("a dead task has heard a bell")
	})
	p.AfterFunc(2*time.Second, func() { s.say("a call of the dead") })
	s.After(1500*time.Millisecond, p.Kill)
	s.After(1600*time.Millisecond, bell.Ring)
	s.run(1200 * time.Millisecond)
	slices.Sort(s.said) // in which order they come is the seed's
	s.want("1s one", "1s other")
	s.run(time.Second)
	s.want("1.5s unwound", "2s other")
	if p.Kill(); !p.Dead() || other.Dead() {
		t.Error("dead is not who was killed")
	}
	other.Go(func() { // the bell is free for the next
		s.say("%v", bell.Wait(background, time.Time{}))
	})
	s.run(0)
	s.want("2.2s <nil>")
}

func TestKillsItself(t *testing.T) {
	s := newStand(t, 1)
	p := s.process()
	s.ticks(p, "tick")
	p.Go(func() {
		defer s.say("unwound")
		p.Kill()
		s.say("alive")
	})
	s.run(time.Minute)
	s.want("0s unwound")
}

func TestPause(t *testing.T) {
	s := newStand(t, 1)
	p := s.process()
	s.ticks(p, "tick")
	p.AfterFunc(2*time.Second, func() { s.say("call") })
	p.AfterFunc(3*time.Second, func() { s.say("another") })
	let := p.AfterFunc(2500*time.Millisecond, func() { s.say("a call that was let go") })
	s.After(1500*time.Millisecond, p.Pause)
	s.run(5 * time.Second)
	s.want("1s tick")
	if !let.Stop() || let.Stop() {
		t.Error("a call that waits for the end of a pause was not pending, or twice")
	}
	p.Resume()
	s.run(2500 * time.Millisecond)
	s.want("5s call", "5s tick", "5s another", "6s tick", "7s tick")
	p.Pause()
	s.run(time.Second)
	p.Kill()
	s.run(time.Second)
	s.want()
}

// TestTimeoutWhilePaused: a context that was to end while its process was paused
// ends first of all when it goes on.
func TestTimeoutWhilePaused(t *testing.T) {
	s := newStand(t, 1)
	p := s.process()
	ctx, cancel := p.WithTimeout(background, time.Second)
	defer cancel()
	p.Go(func() { s.say("%v", runtime.Sleep(ctx, p, time.Minute)) })
	p.Pause()
	s.run(10 * time.Second)
	s.want()
	p.Resume()
	s.run(time.Second)
	s.want("10s context deadline exceeded")
}

func TestClock(t *testing.T) {
	s := newStand(t, 1)
	right, wrong := s.process(), s.process()
	began := wrong.Now()
	wrong.Clock().Jump(-24 * time.Hour)
	if back := wrong.Now(); !back.Equal(began) && back.Sub(began) != 0 || back.Round(0).Sub(began.Round(0)) != -24*time.Hour {
		t.Errorf("from %v to %v", began, back)
	}
	if got := wrong.Now().Format(time.RFC3339Nano); got != "2029-12-31T00:00:00Z" {
		t.Errorf("it is %s", got)
	}
	sleep := func(p *Process, what string) {
		p.Go(func() {
			began := p.Now()
			_ = runtime.Sleep(background, p, time.Hour)
			s.say("%s: %v by its own clock", what, p.Now().Sub(began))
		})
	}
	sleep(right, "right")
	wrong.Clock().Drift(0.25)
	sleep(wrong, "fast")
	s.run(2 * time.Hour)
	s.want("48m0s fast: 1h0m0s by its own clock", "1h0m0s right: 1h0m0s by its own clock")
	sleep(wrong, "slower")
	s.run(30 * time.Minute)
	wrong.Clock().Drift(-0.5)
	s.run(2 * time.Hour)
	s.want("3h15m0s slower: 1h0m0s by its own clock")
}

// TestDriftIsExact: whoever waits until a time finds that it has come.
func TestDriftIsExact(t *testing.T) {
	s := newStand(t, 1)
	for i := range 20 {
		p := s.process()
		p.Clock().Drift(s.rand.Float64() - 0.5)
		p.Go(func() {
			bell := p.NewBell()
			for range 100 {
				until := p.Now().Add(time.Duration(s.rand.Int64N(int64(time.Hour))))
				_ = bell.Wait(background, until)
				if late := p.Now().Sub(until); late < 0 || late > 2 {
					t.Errorf("clock %d: woken %v late", i, late)
				}
			}
			s.say("done")
		})
	}
	s.run(1000 * time.Hour)
	if len(s.said) != 20 {
		t.Errorf("%d have come to the end", len(s.said))
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(p *Process)
		want string
	}{
		"panic":     {func(p *Process) { panic("ouch") }, `at 2030-01-01 00:00:00 +0000 UTC a task of process "test" panicked: ouch`},
		"two waits": {func(p *Process) { b := p.NewBell(); wait(p, b); wait(p, b) }, "two tasks wait at one bell"},
		"live lock": {func(p *Process) {
			for b := p.NewBell(); ; {
				b.Ring()
				_ = b.Wait(background, time.Time{})
			}
		}, `at 2030-01-01 00:00:00 +0000 UTC tasks wake one another for ever; one is of process "test"`},
		"foreign context": {func(p *Process) {
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			_ = p.NewBell().Wait(ctx, time.Time{})
		}, "a context that ends was not made by a Process"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, 1)
			p := s.process()
			p.Go(func() { c.do(p) })
			err := s.Stage.Run(start.Add(time.Hour))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func wait(p *Process, b runtime.Bell) { p.Go(func() { _ = b.Wait(background, time.Time{}) }) }

// TestNothingIsLeft: simulations that end leave no coroutine.
func TestNothingIsLeft(t *testing.T) {
	before := goruntime.NumGoroutine()
	for seed := range uint64(20) {
		s := newStand(t, seed)
		for range 5 {
			p := s.process()
			s.ticks(p, "tick")
			p.Go(func() { _ = p.NewBell().Wait(background, time.Time{}) })
		}
		s.run(time.Second)
		s.process().Go(func() { s.say("never") })
		s.End()
	}
	if after := goruntime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, and %d before", after, before)
	}
}

// BenchmarkStep is a task that waits and is woken.
func BenchmarkStep(b *testing.B) {
	s := New(rand.New(rand.NewPCG(1, 0)), start)
	defer s.End()
	for range 100 {
		p := s.Process("bench", s.Clock())
		p.Go(func() {
			for runtime.Sleep(background, p, time.Second) == nil {
			}
		})
	}
	for s.Steps() < b.N {
		if err := s.Run(s.Now().Add(time.Second)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTask is a task that begins and ends.
func BenchmarkTask(b *testing.B) {
	s := New(rand.New(rand.NewPCG(1, 0)), start)
	defer s.End()
	p := s.Process("bench", s.Clock())
	for range b.N {
		p.Go(func() {})
		if err := s.Run(s.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
