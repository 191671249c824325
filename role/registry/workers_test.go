package registry

import (
	"errors"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/memstore"
)

func TestWorkers(t *testing.T) {
	const mine, other cluster.MachineID = "148a18ff6e954cd892dac9de9bb90d5a", "491586a65ba24f1d9fb50b6ce8edbd7f"
	s := memstore.New()
	w := Workers{s}
	ctx := t.Context()
	var machines []cluster.Machine
	for _, id := range []cluster.MachineID{mine, other} {
		lease, err := s.GrantLease(ctx, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.PutMachine(ctx, cluster.Machine{ID: id, Lease: lease})
		if err != nil {
			t.Fatal(err)
		}
		machines = append(machines, m)
	}
	term, err := s.TakeLead(ctx, cluster.Leader{Machine: mine})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []cluster.UnitName{"mine.service", "others.service"} {
		unit, err := s.PutUnit(ctx, cluster.Unit{Name: name, Hash: cluster.HashOf(string(name)), Desired: cluster.Launched}, string(name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(ctx, term, []schedule.Change{schedule.Place{
			Placement:    cluster.Placement{Machine: machines[i].ID, Unit: name, Hash: unit.Hash, Desired: unit.Desired},
			UnitRevision: unit.Revision, MachineRevision: machines[i].Revision,
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := w.Content(ctx, mine, cluster.HashOf("mine.service")); err != nil || text != "mine.service" {
		t.Errorf("its own text: %q, %v", text, err)
	}
	var refused *access.Refused
	for _, hash := range []cluster.Hash{cluster.HashOf("others.service"), cluster.HashOf("nobody's")} {
		if text, err := w.Content(ctx, mine, hash); text != "" || !errors.As(err, &refused) ||
			refused.Message != "no unit with the text "+string(hash)+" is placed on machine "+string(mine) {
			t.Errorf("another's text: %q, %v", text, err)
		}
	}
}
