package systemdtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// patience bounds every wait. It is no measure of anything.
const patience = 30 * time.Second

// watched is a machine whose systemd is being followed.
type watched struct {
	Subject
	t *testing.T

	mu     sync.Mutex
	seen   map[cluster.UnitName]converge.Status
	resets int
	news   chan struct{} // closed and renewed with each delivery
}

// watch follows the machine until the test ends, and has seen its first list.
func watch(t *testing.T, subject Subject) *watched {
	w := &watched{Subject: subject, t: t, seen: map[cluster.UnitName]converge.Status{}, news: make(chan struct{})}
	w.follow()
	w.await("the first list", func() bool { return w.resets > 0 })
	return w
}

func (w *watched) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Follow(ctx, w.learn) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.t.Errorf("follow ended with %v, expected that its context was canceled", err)
		}
	})
}

func (w *watched) learn(o converge.Observation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.Reset {
		w.resets++
		clear(w.seen)
	}
	for _, status := range o.Units {
		w.take(status)
	}
	close(w.news)
	w.news = make(chan struct{})
	return nil
}

// take keeps the newer of two statuses. w.mu is held.
func (w *watched) take(status converge.Status) {
	if was, known := w.seen[status.Unit]; !known || was.Seq < status.Seq {
		w.seen[status.Unit] = status
	}
}

// await waits until reached, which reads under the lock, is true.
func (w *watched) await(what string, reached func() bool) {
	w.t.Helper()
	limit := time.After(patience)
	for {
		w.mu.Lock()
		ok, news := reached(), w.news
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-limit:
			w.t.Fatalf("%s did not come about in %s; last seen: %s", what, patience, w.print())
		}
	}
}

func (w *watched) print() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("%d lists", w.resets)
	for name, status := range w.seen {
		if len(name) > 7 && name[:7] == "contra-" {
			text += fmt.Sprintf("\n  %+v", status)
		}
	}
	return text
}

// awaitStatus waits for a unit's status.
func (w *watched) awaitStatus(unit cluster.UnitName, what string, is func(converge.Status) bool) converge.Status {
	w.t.Helper()
	var status converge.Status
	w.await(fmt.Sprintf("%s %s", unit, what), func() bool { status = w.seen[unit]; return is(status) })
	return status
}

// unit writes a unit that is stopped and removed at the test's end.
func (w *watched) unit(name cluster.UnitName, text string) cluster.UnitName {
	w.t.Helper()
	w.t.Cleanup(func() { w.clean(name) })
	if err := w.Write(name, text); err != nil {
		w.t.Fatal(err)
	}
	return name
}

func (w *watched) clean(name cluster.UnitName) {
	ended := make(chan converge.Outcome, 1)
	if err := w.Enqueue(context.Background(), converge.StopJob, name, func(o converge.Outcome) { ended <- o }); err == nil {
		<-ended
	}
	if err := errors.Join(w.Remove(name), w.ResetFailed(context.Background(), name)); err != nil {
		w.t.Errorf("clean up: %v", err)
	}
}

func (w *watched) enqueue(kind converge.Job, unit cluster.UnitName) <-chan converge.Outcome {
	w.t.Helper()
	ended := make(chan converge.Outcome, 1)
	if err := w.Enqueue(w.t.Context(), kind, unit, func(o converge.Outcome) { ended <- o }); err != nil {
		w.t.Fatal(err)
	}
	return ended
}

// refused is told of the end of a job that never was.
func (w *watched) refused(o converge.Outcome) {
	w.t.Errorf("a job that was refused has ended as %+v", o)
}

// do has a job done and checks how it ended.
func (w *watched) do(kind converge.Job, unit cluster.UnitName, want string) converge.Status {
	w.t.Helper()
	return w.ended(w.enqueue(kind, unit), fmt.Sprintf("%s %s", kind, unit), want)
}

func (w *watched) ended(job <-chan converge.Outcome, what, want string) converge.Status {
	w.t.Helper()
	select {
	case outcome := <-job:
		if outcome.Result != want {
			w.t.Fatalf("%s ended as %+v, expected %s", what, outcome, want)
		}
		w.mu.Lock()
		w.take(outcome.Status)
		w.mu.Unlock()
		return outcome.Status
	case <-time.After(patience):
		w.t.Fatalf("%s did not end in %s; last seen: %s", what, patience, w.print())
	}
	return converge.Status{}
}
