package registry

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/memstore"
)

func (r *Registry) mustPage(ctx context.Context, t *testing.T, from api.From) (api.Units, bool) {
	t.Helper()
	answer, more, err := r.UnitsPage(ctx, 0, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer, more
}

func expired(err error) bool {
	return err != nil && api.AsError(err).Code == 410 && api.AsError(err).Hint != ""
}

func name(i int) cluster.UnitName { return cluster.UnitName(fmt.Sprintf("web@%04d.service", i)) }

// TestPagesAtOneRevision writes between the pages of three lists at once.
func TestPagesAtOneRevision(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		const units = 30
		for i := range units {
			r.mustSet(ctx, t, name(2*i), ptr(text), cluster.Inactive)
		}
		first, more := r.mustPage(ctx, t, api.From{Most: 7})
		got := first.Units
		for i := 0; more; i++ {
			r.mustSet(ctx, t, name(2*i+1), ptr(text), cluster.Launched) // comes between
			r.mustSet(ctx, t, name(2*units-2-2*i), nil, cluster.Loaded)
			if _, err := r.Destroy(ctx, called("me"), name(2*units-22-2*i)); err != nil {
				t.Fatal(err)
			}
			var page api.Units
			page, more = r.mustPage(ctx, t, api.From{Revision: first.Revision, After: api.StateKey{Unit: got[len(got)-1].Name}, Most: 7})
			if page.Revision != first.Revision {
				t.Errorf("a page of revision %d, want %d", page.Revision, first.Revision)
			}
			got = append(got, page.Units...)
		}
		for i, unit := range got {
			if unit.Name != name(2*i) || unit.Desired != cluster.Inactive {
				t.Errorf("row %d is %s, %s", i, unit.Name, unit.Desired)
			}
		}
		if len(got) != units {
			t.Errorf("%d rows", len(got))
		}
		if all, more := r.mustPage(ctx, t, api.From{Most: 1000}); more || len(all.Units) != units || len(r.snapshots) != 1 {
			t.Errorf("a list of one page: %d rows, more: %v, %d are kept", len(all.Units), more, len(r.snapshots))
		}
	})
}

func TestListsAreKeptForATime(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		for i := range 3 {
			r.mustSet(ctx, t, name(i), ptr(text), cluster.Inactive)
		}
		first, _ := r.mustPage(ctx, t, api.From{Most: 1})
		next := api.From{Revision: first.Revision, After: api.StateKey{Unit: name(0)}, Most: 1}
		for range 3 { // each page begins the time anew
			time.Sleep(snapshotLife - time.Second)
			r.mustPage(ctx, t, next)
		}
		if again, _ := r.mustPage(ctx, t, next); again.Age() < 3*(snapshotLife-time.Second) {
			t.Errorf("a page of a list of long ago says that it is %s old", again.Age())
		}
		time.Sleep(snapshotLife + 2*time.Second)
		synctest.Wait()
		if len(r.snapshots) != 0 { // ended by the store's own confirmations, though nobody asked
			t.Errorf("%d lists are kept", len(r.snapshots))
		}
		for _, ask := range []func() error{
			func() error { _, _, err := r.UnitsPage(ctx, 0, next, nil); return err },
			func() error { _, _, err := r.StatesPage(ctx, 0, next, ""); return err },
			func() error { _, _, err := r.MachinesPage(ctx, 0, next, true); return err },
		} {
			if err := ask(); !expired(err) {
				t.Errorf("a page of a list that is no longer kept: %v", err)
			}
		}
		first, _ = r.mustPage(ctx, t, api.From{Most: 1})
		s.Compact()
		s.SetAway(true)
		r.mustPage(ctx, t, api.From{Revision: first.Revision, Most: 1}) // goes on without the store
		if err := r.learn(cluster.Batch{Reset: true, Revision: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.UnitsPage(ctx, 0, api.From{Revision: first.Revision, Most: 1}, nil); !expired(err) {
			t.Errorf("a page after a gap: %v", err)
		}
	})
}

// TestListsThatAreKeptAreBounded: in number, and in what has changed since.
func TestListsThatAreKeptAreBounded(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		r.mustSet(ctx, t, name(0), ptr(text), cluster.Inactive)
		var revisions []int64
		for i := range mostSnapshots + 1 {
			r.mustSet(ctx, t, name(i+1), ptr(text), cluster.Inactive)
			page, _ := r.mustPage(ctx, t, api.From{Most: 1})
			revisions = append(revisions, page.Revision)
			time.Sleep(time.Millisecond)
		}
		if _, first := r.snapshots[revisions[0]]; first || len(r.snapshots) != mostSnapshots {
			t.Errorf("%d lists are kept, the first of them: %v", len(r.snapshots), first)
		}
		var events []cluster.Event
		for i := range mostKept {
			events = append(events, cluster.StateChanged{State: cluster.UnitState{Unit: name(i), Machine: machine}})
		}
		last := revisions[len(revisions)-1]
		for len(events) > 0 { // each counts once for each list
			n := min(500, len(events))
			if err := r.learn(cluster.Batch{Revision: last, Events: events[:n]}); err != nil {
				t.Fatal(err)
			}
			events = events[n:]
			kept := 0
			for _, s := range r.snapshots {
				kept += s.Kept()
			}
			if kept > mostKept {
				t.Fatalf("%d facts are kept", kept)
			}
		}
		if !slices.Contains(revisions, last) || len(r.snapshots) > 2 {
			t.Errorf("%d lists are kept after %d changes", len(r.snapshots), mostKept)
		}
	})
}
