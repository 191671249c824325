package fence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

// standing is a fence's process, as systemd sees it.
type standing struct {
	term  Term
	said  chan string
	ended chan error
	stop  context.CancelFunc
}

func stand(t *testing.T) *standing {
	ctx, cancel := context.WithCancel(t.Context())
	s := &standing{Term(filepath.Join(t.TempDir(), "fence", "until")), make(chan string), make(chan error, 1), cancel}
	go func() {
		s.ended <- s.term.Stand(ctx, func(state string) error {
			select {
			case s.said <- state:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	t.Cleanup(cancel)
	return s
}

// hears returns how long systemd is told that the fence may stand.
func (s *standing) hears(t *testing.T, form string) time.Duration {
	t.Helper()
	var left int64
	said := <-s.said
	if _, err := fmt.Sscanf(said, form, &left); err != nil {
		t.Fatalf("systemd is told %q, expected %q", said, form)
	}
	return time.Duration(left) * time.Microsecond
}

func TestStand(t *testing.T) {
	s := stand(t)
	for i, form := range []string{"READY=1\nWATCHDOG=1\nWATCHDOG_USEC=%d", "WATCHDOG=1\nWATCHDOG_USEC=%d", "WATCHDOG=1\nWATCHDOG_USEC=%d"} {
		until := s.term.Now() + cluster.FenceTime - time.Duration(3-i)*time.Second
		if err := s.term.Extend(until); err != nil {
			t.Fatal(err)
		}
		if left := s.hears(t, form); left <= 0 || left > until-s.term.Now()+time.Minute || left > cluster.FenceTime {
			t.Errorf("systemd is told of %s", left)
		}
	}
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("told to end, it ends with %v", err)
	}
}

func TestFall(t *testing.T) {
	s := stand(t)
	until := s.term.Now() + 100*time.Millisecond
	if err := s.term.Extend(until); err != nil {
		t.Fatal(err)
	}
	s.hears(t, "READY=1\nWATCHDOG=1\nWATCHDOG_USEC=%d")
	if err := <-s.ended; !errors.Is(err, ErrFallen) || s.term.Now() < until {
		t.Errorf("it ends %s before its time with %v", until-s.term.Now(), err)
	}
}

// What was said last holds, also for a process that comes later; what is over does
// not make it ready.
func TestStandFindsWhatWasSaid(t *testing.T) {
	term := Term(filepath.Join(t.TempDir(), "until"))
	if err := term.Extend(term.Now() + 5*time.Second); err != nil {
		t.Fatal(err)
	}
	w := watchman{term: term, timer: mustAlarm(t), notify: func(string) error { return nil }}
	if err := w.look(); err != nil || w.until == 0 {
		t.Errorf("it finds nothing: %v", err)
	}
	if err := term.Extend(term.Now() - time.Second); err != nil {
		t.Fatal(err)
	}
	if err := w.look(); err != nil {
		t.Errorf("an earlier end takes nothing back: %v", err)
	}
	w = watchman{term: term, timer: mustAlarm(t), notify: func(state string) error { return errors.New("said " + state) }}
	if err := w.look(); err != nil || w.until != 0 {
		t.Errorf("it is ready with a time that is over: %v", err)
	}
}

func mustAlarm(t *testing.T) alarm {
	t.Helper()
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func TestBadTerms(t *testing.T) {
	term := Term(filepath.Join(t.TempDir(), "until"))
	far := fmt.Sprint(int64(term.Now() + time.Hour))
	for _, text := range []string{"", "soon", "-1", "1.5", far, "99999999999999999999"} {
		if err := os.WriteFile(string(term), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%s: %q; expected nanoseconds of CLOCK_BOOTTIME, at most 10s from now", term, text)
		if until, err := term.Until(); err == nil || err.Error() != want || until != 0 {
			t.Errorf("%q: %s, %v; expected %s", text, until, err, want)
		}
	}
	in := Term(filepath.Join(string(term), "until"))
	if err := in.Extend(1); err == nil || !strings.HasPrefix(err.Error(), "keep the fence up: ") {
		t.Errorf("%v", err)
	}
}

// The agent extends the fence from several tasks at a time.
func TestExtendAtATime(t *testing.T) {
	term := Term(filepath.Join(t.TempDir(), "fence", "until"))
	failed := make(chan error, 8)
	for range cap(failed) {
		go func() {
			var err error
			for range 200 {
				err = errors.Join(err, term.Extend(term.Now()+time.Second))
			}
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(string(term)), ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
