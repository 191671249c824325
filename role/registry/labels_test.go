package registry

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/memstore"
)

const machine cluster.MachineID = "148a18ff6e954cd892dac9de9bb90d5a"

func TestSetLabels(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		eu := api.LabelsChange{Set: map[string]string{"region": "eu"}, Remove: []string{"disk"}}
		dry := eu
		dry.DryRun = true
		would, err := r.SetLabels(ctx, called("me"), machine, dry)
		if err != nil || !would.Changed || !would.Away || !would.DryRun || would.Metadata["region"] != "eu" || s.Writes() != 0 {
			t.Errorf("what would be: %+v, %v, %d writes", would, err, s.Writes())
		}
		done, err := r.SetLabels(ctx, called("me"), machine, eu)
		if err != nil || !done.Changed || done.Revision == 0 || !maps.Equal(done.Labels, map[string]string{"region": "eu", "disk": ""}) {
			t.Errorf("done: %+v, %v", done, err)
		}
		if answer, err := r.Machines(ctx, done.Revision, true); err != nil || len(answer.Machines) != 1 || !answer.Machines[0].Away {
			t.Errorf("a machine that was never seen: %+v, %v", answer, err)
		}
		lease, err := s.GrantLease(ctx, time.Hour)
		if err == nil {
			_, err = s.PutMachine(ctx, cluster.Machine{ID: machine, Name: "core-01", Lease: lease, Metadata: map[string]string{"disk": "ssd", "zone": "a"}})
		}
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		again, err := r.SetLabels(ctx, called("me"), machine, eu)
		if err != nil || again.Changed || again.Away || again.Name != "core-01" || again.Revision != done.Revision ||
			!maps.Equal(again.Metadata, map[string]string{"region": "eu", "zone": "a"}) || again.Configured["disk"] != "ssd" {
			t.Errorf("the same again: %+v, %v", again, err)
		}
		reset, err := r.SetLabels(ctx, called("me"), machine, api.LabelsChange{Reset: true})
		if err != nil || !reset.Changed || len(reset.Labels) != 0 || reset.Metadata["disk"] != "ssd" {
			t.Errorf("taken back: %+v, %v", reset, err)
		}
		if _, err := s.Labels(ctx, machine); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("labels that were taken back: %v", err)
		}
		if _, err := r.SetLabels(ctx, called("me"), machine, api.LabelsChange{}); api.AsError(err).Code != 400 {
			t.Errorf("a change of nothing: %v", err)
		}
		s.EndLease(lease)
	})
}

// labelRival is a store in which someone else labels first, some times over.
type labelRival struct {
	*memstore.Store
	times int
}

func (s *labelRival) PutLabels(ctx context.Context, l cluster.Labels, done ...access.Entry) (cluster.Labels, error) {
	if s.times--; s.times >= 0 {
		now, err := s.Labels(ctx, l.Machine)
		if err != nil && !errors.Is(err, cluster.ErrNotFound) {
			return l, err
		}
		now.Machine, now.Set = l.Machine, map[string]string{"rival": string(rune('a' + s.times))}
		if _, err := s.Store.PutLabels(ctx, now); err != nil {
			return l, err
		}
	}
	return s.Store.PutLabels(ctx, l, done...)
}

func TestLabellersAtOnce(t *testing.T) {
	bubble(t, func(ctx context.Context, t *testing.T, s *memstore.Store, r *Registry) {
		r.store = &labelRival{s, attempts - 1}
		change := api.LabelsChange{Set: map[string]string{"region": "eu"}}
		got, err := r.SetLabels(ctx, called("me"), machine, change)
		if err != nil || !maps.Equal(got.Labels, map[string]string{"region": "eu", "rival": "a"}) {
			t.Errorf("%+v, %v: want both words", got, err)
		}
		r.store = &labelRival{s, attempts}
		change.Set["region"] = "us"
		if _, err := r.SetLabels(ctx, called("me"), machine, change); !errors.Is(err, cluster.ErrConflict) {
			t.Errorf("lost every time: %v", err)
		}
	})
}
