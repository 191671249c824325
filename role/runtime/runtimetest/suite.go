// Package runtimetest is what every runtime.Runtime keeps: Go's own, and the
// simulator's.
package runtimetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"argosy/role/runtime"
)

// world is a Runtime in a test whose time passes only when every task waits.
type world struct {
	*testing.T
	runtime.Runtime
	began time.Time
}

// Run runs the suite. Each test is a task on a Runtime that inWorld makes, in a
// time that passes only when every task waits.
func Run(t *testing.T, inWorld func(t *testing.T, test func(t *testing.T, on runtime.Runtime))) {
	for name, test := range map[string]func(w *world){
		"Bell": bell, "BellAndTime": bellAndTime, "BellAndContext": bellAndContext,
		"Contexts": contexts, "AfterFunc": afterFunc, "Timer": timer, "Clock": clock,
		"Mailbox": mailbox, "MailboxFull": mailboxFull, "MailboxClosed": mailboxClosed, "TwoMailboxes": twoMailboxes,
		"Semaphore": semaphore, "SemaphoreLine": semaphoreLine, "Gate": gate, "Group": group,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, on runtime.Runtime) { test(&world{t, on, on.Now()}) })
		})
	}
}

var (
	background = context.Background()
	noTime     time.Time
)

func (w *world) in(d time.Duration) time.Time { return w.began.Add(d) }

// at checks what time it is, counted from the beginning.
func (w *world) at(want time.Duration) {
	w.Helper()
	if got := w.Now().Sub(w.began); got != want {
		w.Errorf("it is %v, want %v", got, want)
	}
}

func (w *world) is(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("got %v, want %v", err, want)
	}
}

func (w *world) sleep(d time.Duration) { w.is(runtime.Sleep(background, w, d), nil) }

// later has something done in a time from now, by another task.
func (w *world) later(g *runtime.Group, d time.Duration, do func()) {
	g.Go(func() { w.sleep(d); do() })
}

func bell(w *world) {
	b, g := w.NewBell(), runtime.NewGroup(w)
	b.Ring()
	b.Ring()
	w.is(b.Wait(background, noTime), nil)
	w.at(0)
	w.later(g, time.Second, b.Ring)
	w.is(b.Wait(background, noTime), nil) // two rings before were one
	w.at(time.Second)
	g.Wait()
}

func bellAndTime(w *world) {
	b := w.NewBell()
	w.is(b.Wait(background, w.in(time.Second)), nil)
	w.at(time.Second)
	w.is(b.Wait(background, w.in(0)), nil) // which has passed
	w.at(time.Second)
	b.Ring()
	w.is(b.Wait(background, w.in(time.Hour)), nil)
	w.at(time.Second)
	w.is(b.Wait(background, w.in(time.Hour)), nil)
	w.at(time.Hour)
}

func bellAndContext(w *world) {
	b, g := w.NewBell(), runtime.NewGroup(w)
	ctx, cancel := w.WithCancel(background)
	w.later(g, time.Second, cancel)
	w.is(b.Wait(ctx, noTime), context.Canceled)
	w.at(time.Second)
	b.Ring()
	w.is(b.Wait(ctx, noTime), context.Canceled) // the ring stays for who can hear it
	w.is(b.Wait(context.WithoutCancel(ctx), w.in(time.Hour)), nil)
	w.at(time.Second)
	g.Wait()
}

func contexts(w *world) {
	outer, cancel := w.WithCancel(context.WithValue(background, world{}, "told"))
	soon, done := w.WithTimeout(outer, time.Second)
	defer done()
	late, done := w.WithTimeout(soon, time.Hour)
	defer done()
	inner, done := w.WithCancel(context.WithValue(outer, world{T: w.T}, 1))
	defer done()
	if ends, has := late.Deadline(); !has || !ends.Equal(w.in(time.Second)) || inner.Value(world{}) != "told" {
		w.Errorf("it ends at %v, %v; its value is %v", ends, has, inner.Value(world{}))
	}
	w.is(runtime.Sleep(late, w, time.Minute), context.DeadlineExceeded)
	w.at(time.Second)
	w.is(soon.Err(), context.DeadlineExceeded)
	w.is(inner.Err(), nil)
	cancel()
	w.is(runtime.Sleep(inner, w, time.Minute), context.Canceled)
	w.is(context.Cause(inner), context.Canceled)
	w.at(time.Second)
	after, done := w.WithTimeout(outer, time.Minute)
	defer done()
	w.is(after.Err(), context.Canceled)
	late, done = w.WithTimeout(background, -time.Second)
	defer done()
	w.is(late.Err(), context.DeadlineExceeded)
}

func afterFunc(w *world) {
	told := runtime.NewMailbox[int](w, w.NewBell(), 9)
	for _, i := range []int{3, 1, 2} {
		w.AfterFunc(time.Duration(i)*time.Second, func() { told.Offer(i) })
	}
	w.AfterFunc(2500*time.Millisecond, func() { told.Offer(0) }).Stop()
	for want := 1; want <= 3; want++ {
		if got, err := told.Receive(background); got != want || err != nil {
			w.Errorf("called %d, %v; want %d", got, err, want)
		}
		w.at(time.Duration(want) * time.Second)
	}
}

func timer(w *world) {
	b := w.NewBell()
	timer := w.AfterFunc(time.Second, b.Ring)
	if !timer.Reset(time.Minute) {
		w.Error("a timer that was pending was not when it was set anew")
	}
	w.is(b.Wait(background, noTime), nil)
	w.at(time.Minute)
	if timer.Stop() || timer.Reset(time.Minute) {
		w.Error("a timer that had fired was pending")
	}
	w.is(b.Wait(background, noTime), nil)
	w.at(2 * time.Minute)
}

func clock(w *world) {
	began := w.Now()
	w.sleep(90 * time.Minute)
	if passed := w.Now().Round(0).Sub(began.Round(0)); passed != 90*time.Minute {
		w.Errorf("by the wall's reading %v have passed", passed)
	}
}

func mailbox(w *world) {
	g := runtime.NewGroup(w)
	box := runtime.NewMailbox[int](w, w.NewBell(), 2)
	g.Go(func() {
		for i := range 10 {
			w.is(box.Send(background, i), nil)
		}
	})
	for i := range 10 {
		if got, err := box.Receive(background); got != i || err != nil {
			w.Errorf("took %d, %v; want %d", got, err, i)
		}
	}
	g.Wait()
	ctx, cancel := w.WithTimeout(background, time.Second)
	defer cancel()
	_, err := box.Receive(ctx)
	w.is(err, context.DeadlineExceeded)
	w.at(time.Second)
}

func mailboxFull(w *world) {
	box := runtime.NewMailbox[int](w, w.NewBell(), 1)
	if !box.Offer(1) || box.Offer(2) {
		w.Error("a box for one took not one")
	}
	ctx, cancel := w.WithTimeout(background, time.Second)
	defer cancel()
	w.is(box.Send(ctx, 3), context.DeadlineExceeded)
	w.at(time.Second)
	if got, ok := box.Take(); got != 1 || !ok {
		w.Errorf("took %d, %v", got, ok)
	}
	if _, ok := box.Take(); ok || !box.Offer(4) {
		w.Error("who gave up has left something")
	}
}

func mailboxClosed(w *world) {
	g, box := runtime.NewGroup(w), runtime.NewMailbox[int](w, w.NewBell(), 1)
	w.is(box.Send(background, 1), nil)
	g.Go(func() { w.is(box.Send(background, 2), runtime.ErrClosed) })
	w.sleep(time.Second)
	box.Close()
	g.Wait()
	if box.Offer(3) || box.Drained() {
		w.Error("a closed box took something, or lost what it had")
	}
	got, err := box.Receive(background)
	_, ended := box.Receive(background)
	if got != 1 || err != nil || !errors.Is(ended, runtime.ErrClosed) || !box.Drained() {
		w.Errorf("took %d, %v, then %v", got, err, ended)
	}
	box = runtime.NewMailbox[int](w, w.NewBell(), 1)
	w.later(g, time.Second, box.Close)
	_, err = box.Receive(background)
	w.is(err, runtime.ErrClosed)
	g.Wait()
}

func twoMailboxes(w *world) {
	g, b := runtime.NewGroup(w), w.NewBell()
	numbers, words := runtime.NewMailbox[int](w, b, 1), runtime.NewMailbox[string](w, b, 1)
	w.later(g, time.Second, func() { numbers.Offer(1) })
	w.later(g, time.Second, func() { words.Offer("one") })
	sum, said := 0, ""
	for sum == 0 || said == "" {
		w.is(b.Wait(background, noTime), nil)
		if n, ok := numbers.Take(); ok {
			sum += n
		}
		if word, ok := words.Take(); ok {
			said += word
		}
	}
	w.at(time.Second)
	g.Wait()
}

func semaphore(w *world) {
	g, places := runtime.NewGroup(w), runtime.NewSemaphore(w, 3)
	inside, most := 0, 0
	lock := runtime.NewSemaphore(w, 1)
	count := func(n int) {
		w.is(lock.Acquire(background), nil)
		inside += n
		most = max(most, inside)
		lock.Release()
	}
	for range 10 {
		g.Go(func() {
			w.is(places.Acquire(background), nil)
			count(1)
			w.sleep(time.Second)
			count(-1)
			places.Release()
		})
	}
	g.Wait()
	w.at(4 * time.Second)
	if most != 3 {
		w.Errorf("%d were inside together, want 3", most)
	}
}

func semaphoreLine(w *world) {
	g, place := runtime.NewGroup(w), runtime.NewSemaphore(w, 1)
	w.is(place.Acquire(background), nil)
	ctx, cancel := w.WithTimeout(background, 2500*time.Millisecond)
	defer cancel()
	var order []int
	for i := range 4 { // one a second comes to stand in line; the second gives up
		w.later(g, time.Duration(i)*time.Second, func() {
			of := background
			if i == 1 {
				of = ctx
			}
			if err := place.Acquire(of); (err == nil) == (i == 1) {
				w.Errorf("%d: %v", i, err)
			} else if err == nil {
				order = append(order, i)
				w.sleep(time.Second)
				place.Release()
			}
		})
	}
	w.sleep(10 * time.Second)
	if place.TryAcquire() || len(order) > 0 {
		w.Errorf("a taken place was given to %d", order)
	}
	place.Release()
	g.Wait()
	if !slices.Equal(order, []int{0, 2, 3}) || !place.TryAcquire() {
		w.Errorf("admitted in the order %d", order)
	}
}

func gate(w *world) {
	g, gate := runtime.NewGroup(w), runtime.NewGate(w)
	for range 3 {
		g.Go(func() {
			w.is(gate.Wait(background), nil)
			w.at(time.Second)
		})
	}
	ctx, cancel := w.WithTimeout(background, time.Second/2)
	defer cancel()
	w.is(gate.Wait(ctx), context.DeadlineExceeded)
	w.sleep(time.Second / 2)
	if gate.IsOpen() {
		w.Error("it is open")
	}
	gate.Open()
	gate.Open()
	w.is(gate.Wait(background), nil)
	if !gate.IsOpen() {
		w.Error("it is shut")
	}
	g.Wait()
}

func group(w *world) {
	g := runtime.NewGroup(w)
	g.Wait()
	ended := false
	g.Go(func() {
		w.sleep(time.Second)
		g.Go(func() { w.sleep(time.Second); ended = true })
	})
	g.Wait()
	w.at(2 * time.Second)
	if !ended {
		w.Error("a task of a task was not waited for")
	}
	g.Wait()
}
