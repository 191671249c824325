package registry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/memstore"
)

// watching is a watch under way: what it has told, without pulses.
type watching struct {
	told   []api.Unit
	pulses int
	ended  chan error
	cancel context.CancelFunc
}

func watch(ctx context.Context, r *Registry, least int64, names ...cluster.UnitName) *watching {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{ended: make(chan error, 1), cancel: cancel}
	go func() {
		w.ended <- r.Watch(ctx, least, names, func(line api.WatchLine) error {
			if line.Unit == nil {
				w.pulses++
			} else {
				w.told = append(w.told, *line.Unit)
			}
			return nil
		})
	}()
	synctest.Wait()
	return w
}

// news returns what was told since the last look, once all is quiet.
func (w *watching) news() []api.Unit {
	synctest.Wait()
	news := w.told
	w.told = nil
	return news
}

func TestWatchTellsWhatChanges(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		r.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
		synctest.Wait()
		w := watch(ctx, r, 0, "web.service", "later.service")
		first := w.news()
		if len(first) != 2 || first[0].Outcome != api.OutcomeInactive || first[1].Outcome != api.OutcomeGone {
			t.Fatalf("at first: %+v", first)
		}
		r.mustSet(ctx, t, "other.service", ptr(text), cluster.Launched)
		if news := w.news(); len(news) != 0 {
			t.Errorf("told of another unit: %+v", news)
		}
		r.mustSet(ctx, t, "later.service", ptr(text), cluster.Launched)
		if news := w.news(); len(news) != 1 || news[0].Name != "later.service" || news[0].Outcome != api.OutcomeWorking {
			t.Errorf("told %+v, want later.service alone", news)
		}
		time.Sleep(10 * pulse)
		synctest.Wait()
		if w.pulses < 5 {
			t.Errorf("%d pulses in the time of 10", w.pulses)
		}
		w.cancel()
		if err := <-w.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if len(r.watchers) != 0 {
			t.Errorf("the registry still keeps %d names of nobody", len(r.watchers))
		}
	})
}

func TestWatchSeesNothingOlder(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		written, err := s.PutUnit(ctx, cluster.Unit{Name: "web.service", Hash: cluster.HashOf(text), Desired: cluster.Loaded, Generation: 1}, text)
		if err != nil {
			t.Fatal(err)
		}
		w := watch(ctx, r, written.Revision, "web.service")
		if news := w.news(); len(news) != 1 || news[0].Desired != cluster.Loaded {
			t.Errorf("told %+v, want it as written", news)
		}
		w.cancel()
		<-w.ended
	})
}

// TestSlowReader: changes that nobody could read in time are told as one.
func TestSlowReader(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		r.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
		synctest.Wait()
		ctx, cancel := context.WithCancel(ctx)
		read, ended := make(chan api.Unit), make(chan error, 1)
		go func() {
			ended <- r.Watch(ctx, 0, []cluster.UnitName{"web.service"}, func(line api.WatchLine) error {
				if line.Unit != nil {
					read <- *line.Unit
				}
				return nil
			})
		}()
		synctest.Wait()
		var last api.Written
		for range 10 {
			r.mustSet(ctx, t, "web.service", nil, cluster.Loaded)
			last = r.mustSet(ctx, t, "web.service", nil, cluster.Launched)
		}
		synctest.Wait()
		<-read // as it was at first
		if got := <-read; got.Generation != last.Generation {
			t.Errorf("generation %d is told next, want the last one, %d", got.Generation, last.Generation)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWatchAfterAGap(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		r.mustSet(ctx, t, "web.service", ptr(text), cluster.Loaded)
		w := watch(ctx, r, 0, "web.service")
		w.news()
		s.SetAway(true)
		synctest.Wait()
		s.SetAway(false)
		u, _, err := s.Unit(ctx, "web.service")
		if err == nil {
			err = s.DeleteUnit(ctx, "web.service", u.Revision)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Compact()
		time.Sleep(5 * time.Second)
		news := w.news()
		if len(news) == 0 || news[len(news)-1].Outcome != api.OutcomeGone {
			t.Errorf("after the gap: %+v, want it gone", news)
		}
		w.cancel()
		<-w.ended
	})
}

func TestWatchEndsWithItsReader(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		full := errors.New("no room")
		if err := r.Watch(ctx, 0, []cluster.UnitName{"a.service"}, func(api.WatchLine) error { return full }); !errors.Is(err, full) {
			t.Errorf("%v, want the reader's own error", err)
		}
	})
}
