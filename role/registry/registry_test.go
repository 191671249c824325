package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/unitfile"
	"argosy/edge/memstore"
)

const text = "[Service]\nExecStart=/bin/sleep 1\n"

func ptr(s string) *string { return &s }

// bubble runs a test with a registry that follows a store, in virtual time.
func bubble(t *testing.T, test func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := memstore.New()
		r := New(s, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		synctest.Wait()
		test(ctx, t, s, r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func (r *Registry) mustSet(ctx context.Context, t *testing.T, name cluster.UnitName, text *string, desired cluster.Desired) api.Written {
	t.Helper()
	w, err := r.SetUnit(ctx, called("user core on core-01"), name, api.UnitChange{Text: text, Desired: desired})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestReadsTellTheirAge(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		written := r.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
		synctest.Wait()
		s.SetAway(true)
		time.Sleep(time.Minute)
		answer, err := r.Unit(ctx, written.Revision, "web.service")
		if err != nil || answer.Unit.Text != text {
			t.Errorf("while the store is away: %+v, %v", answer, err)
		}
		if age := answer.Age(); age < 58*time.Second || age > time.Minute {
			t.Errorf("age %s, want about a minute", age)
		}
		if _, err := r.SetUnit(ctx, called("me"), "web.service", api.UnitChange{Desired: cluster.Launched}); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("a write while the store is away: %v", err)
		}
		s.SetAway(false)
		time.Sleep(5 * time.Second)
		if fresh, err := r.Freshness(); err != nil || fresh.Age() > api.Stale {
			t.Errorf("when the store is back: %+v, %v", fresh, err)
		}
	})
}

func TestNothingIsKnownYet(t *testing.T) {
	r := New(memstore.New(), slog.New(slog.DiscardHandler))
	_, err := r.Machines(t.Context(), 0, false)
	_, freshErr := r.Freshness()
	watchErr := r.Watch(t.Context(), 0, []cluster.UnitName{"a.service"}, func(api.WatchLine) error { return nil })
	for _, err := range []error{err, freshErr, watchErr} {
		if !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	}
}

func TestReadsWaitForARevision(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		now, _ := r.Freshness()
		seen := make(chan int, 1)
		go func() {
			answer, err := r.Units(ctx, now.Revision+1, nil)
			if err != nil {
				t.Error(err)
			}
			seen <- len(answer.Units)
		}()
		synctest.Wait()
		r.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
		if n := <-seen; n != 1 {
			t.Errorf("a read that waits for the write shows %d units", n)
		}
		began := time.Now()
		if _, err := r.Units(ctx, now.Revision+100, nil); !errors.Is(err, cluster.ErrUnavailable) || time.Since(began) != catchUp {
			t.Errorf("a revision that never comes: %v after %s", err, time.Since(began))
		}
	})
}

func TestSetUnit(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		first := r.mustSet(ctx, t, "web.service", ptr(text), cluster.Loaded)
		if !first.Created || !first.Changed || first.Generation == 0 || first.Hash != cluster.HashOf(text) {
			t.Errorf("created: %+v", first)
		}
		writes := s.Writes()
		if same := r.mustSet(ctx, t, "web.service", ptr(text), cluster.Loaded); same.Changed || same.Revision != first.Revision || s.Writes() != writes {
			t.Errorf("set to what it is: %+v, %d writes", same, s.Writes()-writes)
		}
		launched := r.mustSet(ctx, t, "web.service", nil, cluster.Launched)
		if launched.Created || launched.Generation != first.Generation+1 || launched.Hash != first.Hash {
			t.Errorf("launched: %+v after %+v", launched, first)
		}
		global := r.mustSet(ctx, t, "web.service", ptr("[X-Fleet]\nGlobal=true\nGlob=1\n"), cluster.Launched)
		if global.Generation != launched.Generation+1 || !global.Global || len(global.Warnings) == 0 {
			t.Errorf("another text: %+v", global)
		}
		if again := r.mustSet(ctx, t, "web.service", nil, cluster.Launched); !again.Global {
			t.Errorf("a global unit set without its text: %+v", again)
		}
		synctest.Wait()
		if u, _ := r.Unit(ctx, 0, "web.service"); u.Unit.By != "user core on core-01" || u.Unit.At.IsZero() {
			t.Errorf("who and when are not kept: %+v", u.Unit)
		}
	})
}

func TestRefusedWrites(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		r.mustSet(ctx, t, "hello.service", ptr(text), cluster.Inactive)
		r.mustSet(ctx, t, "web@.service", ptr(text), cluster.Inactive)
		synctest.Wait()
		writes := s.Writes()
		for name, c := range map[string]struct {
			unit   cluster.UnitName
			change api.UnitChange
			code   int
			says   string
		}{
			"no such unit":         {"helo.service", api.UnitChange{Desired: cluster.Launched}, 404, "did you mean hello.service"},
			"no desired state":     {"hello.service", api.UnitChange{}, 400, "expected inactive, loaded or launched"},
			"unknown state":        {"hello.service", api.UnitChange{Desired: "running"}, 400, "expected inactive, loaded or launched"},
			"a template launched":  {"web@.service", api.UnitChange{Desired: cluster.Launched}, 400, "web@1.service"},
			"no unit file":         {"hello.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr("hello")}, 400, "hello.service:1"},
			"not UTF-8":            {"hello.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr("[Unit]\nDescription=\xff\n")}, 400, "hello.service"},
			"too large":            {"hello.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr("[Unit]\n" + strings.Repeat("#\n", 1<<20))}, 400, "hello.service"},
			"contradicting fleet":  {"hello.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr("[X-Fleet]\nGlobal=true\nMachineOf=a.service\n")}, 400, "hello.service:"},
			"another's service":    {"hello.container", api.UnitChange{Desired: cluster.Inactive, Text: ptr("[Container]\nImage=x\n")}, 400, "unit hello.container would be hello.service on its machine, and so would hello.service, which is in the cluster"},
			"a scope":              {"new.scope", api.UnitChange{Desired: cluster.Inactive, Text: ptr("[Unit]\n")}, 400, "systemd has no scopes of files"},
			"drop-ins alone":       {"hello.service", api.UnitChange{Desired: cluster.Inactive, DropIns: nice("10-a.conf")}, 400, "send the unit's file with them"},
			"a bundle as a text":   {"hello.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr(unitfile.Bundle{Text: text, DropIns: nice("10-a.conf")}.Content())}, 400, `hello.service:1: "fleet-bundle=1" stands in no section`},
			"a drop-in's name":     {"hello.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr(text), DropIns: nice("../a.conf")}, 400, "cannot be a drop-in's name"},
			"drop-ins in disorder": {"hello.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr(text), DropIns: nice("b.conf", "a.conf")}, 400, "expected each name once, in order"},
			"a new unit, bad text": {"new.service", api.UnitChange{Desired: cluster.Inactive, Text: ptr("[")}, 400, "new.service:1"},
		} {
			_, err := r.SetUnit(ctx, called("me"), c.unit, c.change)
			e := api.AsError(err)
			if e.Code != c.code || !strings.Contains(e.Message+e.Hint, c.says) {
				t.Errorf("%s: %d %s; %s, want %d with %q", name, e.Code, e.Message, e.Hint, c.code, c.says)
			}
		}
		if _, err := r.Destroy(ctx, called("me"), "helo.service"); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("destroy nothing: %v", err)
		}
		if s.Writes() != writes {
			t.Errorf("%d refused writes were done", s.Writes()-writes)
		}
	})
}

func nice(names ...string) (dropIns []unitfile.DropIn) {
	for _, name := range names {
		dropIns = append(dropIns, unitfile.DropIn{Name: name, Text: "[Service]\nNice=1\n"})
	}
	return dropIns
}

// TestDropIns: a unit and its drop-ins are one content with one hash, and come
// back as they were.
func TestDropIns(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		plain := r.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
		unit := unitfile.Bundle{Text: text, DropIns: append(nice("10-a.conf"), unitfile.DropIn{Name: "20-b.conf", Text: "[X-Fleet]\nGlobal=true\n"})}
		with, err := r.SetUnit(ctx, called("me"), "web.service", api.Storing(&unit, cluster.Inactive))
		if err != nil || with.Hash == plain.Hash || with.Hash != cluster.HashOf(unit.Content()) || !with.Global {
			t.Errorf("%+v, %v", with, err)
		}
		if again, err := r.SetUnit(ctx, called("me"), "web.service", api.Storing(&unit, cluster.Inactive)); err != nil || again.Changed {
			t.Errorf("the same once more: %+v, %v", again, err)
		}
		if kept, err := r.SetUnit(ctx, called("me"), "web.service", api.UnitChange{Desired: cluster.Loaded}); err != nil || kept.Hash != with.Hash || !kept.Global {
			t.Errorf("without a text: %+v, %v", kept, err)
		}
		synctest.Wait()
		if u, err := r.Unit(ctx, 0, "web.service"); err != nil || !reflect.DeepEqual(u.Unit.Bundle(), unit) {
			t.Errorf("read back %+v, %v", u.Unit, err)
		}
		if page, err := r.UnitPage(ctx, 0, "", 10); err != nil || len(page.Units) != 1 || !reflect.DeepEqual(page.Units[0].Bundle(), unit) {
			t.Errorf("on its page %+v, %v", page, err)
		}
	})
}

// TestNewLifeNewGenerations: a unit that is destroyed and made again must be
// started again, so it may repeat no generation.
func TestNewLifeNewGenerations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := memstore.New(), t.Context()
		r := New(s, slog.New(slog.DiscardHandler)) // whose view knows of nothing, as one that lags
		used := map[int64]bool{}
		for range 5 {
			for _, desired := range []cluster.Desired{cluster.Launched, cluster.Loaded, cluster.Inactive, cluster.Launched} {
				w := r.mustSet(ctx, t, "web.service", ptr(text), desired)
				if used[w.Generation] {
					t.Errorf("generation %d a second time", w.Generation)
				}
				used[w.Generation] = true
			}
			if _, err := r.Destroy(ctx, called("me"), "web.service"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestWritersAtOnce(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		first := r.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
		var all sync.WaitGroup
		var mu sync.Mutex
		changed := map[int64]bool{}
		for i := range 20 {
			all.Go(func() {
				desired := []cluster.Desired{cluster.Loaded, cluster.Launched}[i%2]
				w, err := r.SetUnit(ctx, called(fmt.Sprint(i)), "web.service", api.UnitChange{Desired: desired})
				if err != nil && !errors.Is(err, cluster.ErrConflict) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if w.Changed && changed[w.Generation] {
					t.Errorf("generation %d was given twice", w.Generation)
				}
				changed[w.Generation] = changed[w.Generation] || w.Changed
			})
		}
		all.Wait()
		last, _, err := s.Unit(ctx, "web.service")
		delete(changed, 0)
		if err != nil || last.Generation <= first.Generation || !changed[last.Generation] {
			t.Errorf("%+v, %v after %v", last, err, changed)
		}
	})
}

func TestSupersede(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		first := r.mustSet(ctx, t, "web.service", ptr(text), cluster.Launched)
		restart := api.UnitChange{Desired: cluster.Launched, Supersede: first.Generation}
		for _, changed := range []bool{true, false} { // asked twice, it is done once
			w, err := r.SetUnit(ctx, called("me"), "web.service", restart)
			if err != nil || w.Changed != changed || w.Generation != first.Generation+1 || w.Hash != first.Hash {
				t.Errorf("%+v, %v after %+v", w, err, first)
			}
		}
		for name, change := range map[string]api.UnitChange{
			"a generation to come": {Desired: cluster.Launched, Supersede: first.Generation + 2},
			"below 0":              {Desired: cluster.Launched, Supersede: -1},
			"not launched":         {Desired: cluster.Loaded, Supersede: first.Generation + 1},
		} {
			if w, err := r.SetUnit(ctx, called("me"), "web.service", change); api.AsError(err).Code != 400 {
				t.Errorf("%s: %+v, %v", name, w, err)
			}
		}
		if w := r.mustSet(ctx, t, "web.service", nil, cluster.Launched); w.Changed || w.Generation != first.Generation+1 {
			t.Errorf("%+v: what was refused has changed something", w)
		}
	})
}

// TestGuardedWrites: a text is stored over what its writer knows and nothing else.
func TestGuardedWrites(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		set := func(text *string, desired cluster.Desired, generation int64) (api.Written, error) {
			return r.SetUnit(ctx, called("me"), "web.service", api.UnitChange{Text: text, Desired: desired, IfGeneration: &generation})
		}
		refused := func(says string, _ api.Written, err error) {
			t.Helper()
			if e := api.AsError(err); e.Code != 409 || !strings.Contains(e.Message, says) || e.Hint == "" || !errors.Is(err, cluster.ErrConflict) {
				t.Errorf("%v, want %s", err, says)
			}
		}
		w, err := set(ptr(text), cluster.Inactive, 7)
		refused("changed by someone else meanwhile: it is no longer there", w, err)
		first, err := set(ptr(text), cluster.Inactive, 0)
		if err != nil || !first.Created {
			t.Fatalf("%+v, %v", first, err)
		}
		if w, err := set(ptr(text), cluster.Launched, 0); err != nil || w.Created || w.Generation != first.Generation+1 {
			t.Errorf("the same text overwrites nothing: %+v, %v", w, err)
		}
		other := text + "#\n"
		w, err = set(&other, cluster.Launched, 0)
		refused(fmt.Sprintf("it is of generation %d, stored by me", first.Generation+1), w, err)
		w, err = set(&other, cluster.Launched, first.Generation)
		refused("it is of generation", w, err)
		w, err = set(nil, cluster.Loaded, first.Generation)
		refused("it is of generation", w, err)
		w, err = set(&other, cluster.Launched, first.Generation+1)
		if err != nil || w.Generation != first.Generation+2 {
			t.Errorf("over what is known: %+v, %v", w, err)
		}
		if again, err := set(&other, cluster.Launched, first.Generation+1); err != nil || again.Changed {
			t.Errorf("sent twice: %+v, %v", again, err)
		}
		if _, err := set(&other, cluster.Launched, -1); api.AsError(err).Code != 400 {
			t.Errorf("below 0: %v", err)
		}
	})
}

// TestCreatorsAtOnce: of many who create a unit, each with a text of its own, one does.
func TestCreatorsAtOnce(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		var all sync.WaitGroup
		var created atomic.Int64
		for i := range 20 {
			all.Go(func() {
				own, none := fmt.Sprintf("%s# %d\n", text, i), int64(0)
				w, err := r.SetUnit(ctx, called(fmt.Sprint(i)), "web.service", api.UnitChange{Text: &own, Desired: cluster.Launched, IfGeneration: &none})
				if err == nil && w.Created {
					created.Add(1)
				} else if !errors.Is(err, cluster.ErrConflict) {
					t.Errorf("%+v, %v", w, err)
				}
			})
		}
		all.Wait()
		if created.Load() != 1 {
			t.Errorf("%d created it", created.Load())
		}
	})
}

// rival is a store in which someone else always writes first, some times over.
type rival struct {
	*memstore.Store
	times int
}

func (s *rival) PutUnit(ctx context.Context, u cluster.Unit, text string, done ...access.Entry) (cluster.Unit, error) {
	if s.times > 0 {
		s.times--
		now, _, err := s.Unit(ctx, u.Name)
		if err != nil {
			return u, err
		}
		now.Generation++
		if _, err := s.Store.PutUnit(ctx, now, text); err != nil {
			return u, err
		}
	}
	return s.Store.PutUnit(ctx, u, text, done...)
}

func TestLostGuards(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		first := r.mustSet(ctx, t, "web.service", ptr(text), cluster.Inactive)
		synctest.Wait()
		r.store = &rival{s, attempts - 1}
		if w := r.mustSet(ctx, t, "web.service", nil, cluster.Loaded); w.Generation != first.Generation+attempts {
			t.Errorf("%+v after %+v: want it decided anew each time", w, first)
		}
		r.store = &rival{s, attempts}
		if _, err := r.SetUnit(ctx, called("me"), "web.service", api.UnitChange{Desired: cluster.Launched}); !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("lost every time: %v", err)
		}
	})
}
