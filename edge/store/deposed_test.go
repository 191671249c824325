package store

import (
	"errors"
	"strconv"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/etcdnode/etcdtest"
)

// TestDeposedInTheMiddle has another take the lead while a commit of many
// transactions is under way: what it has written is older than the new term, it
// tells exactly that, and writes nothing more.
//
// Planted once, and caught here: transactions that do not compare the term.
func TestDeposedInTheMiddle(t *testing.T) {
	s := open(t, Config{Endpoints: etcdtest.Start(t)})
	term, err := s.TakeLead(t.Context(), cluster.Leader{Run: "first"})
	if err != nil {
		t.Fatal(err)
	}
	machine := cluster.MachineID("00000000000000000000000000000001")
	var changes []schedule.Change
	for n := range 100 * chunk { // of units and a machine that are not there, as decided
		changes = append(changes, schedule.Place{Placement: cluster.Placement{
			Machine: machine, Unit: cluster.UnitName("web@" + strconv.Itoa(n) + ".service"),
			Hash: cluster.HashOf("a"), Desired: cluster.Launched,
		}})
	}
	begun := s.client.Watch(t.Context(), root+"placements/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-begun
	taken := make(chan cluster.Leader, 1)
	go func() {
		<-begun // the first of them is written
		rival, err := s.TakeLead(t.Context(), cluster.Leader{Run: "second", Revision: term.Revision})
		if err != nil {
			t.Error(err)
		}
		taken <- rival
	}()
	events, err := s.Commit(t.Context(), term, changes)
	if !errors.Is(err, cluster.ErrDeposed) {
		t.Errorf("got %v, want ErrDeposed", err)
	}
	rival := <-taken
	response, err := s.client.Get(t.Context(), root+"placements/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Kvs) != len(events) || len(events) == 0 || len(events) == len(changes) {
		t.Errorf("%d of %d are written and %d were told, want some and the same", len(response.Kvs), len(changes), len(events))
	}
	for _, kv := range response.Kvs {
		if kv.ModRevision > rival.Revision {
			t.Fatalf("%s was written at %d, after the term %d began", kv.Key, kv.ModRevision, rival.Revision)
		}
	}
}
