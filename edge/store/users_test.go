package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/schedule"
)

// TestUsersChange changes etcd's users while everybody writes, renews and watches.
// Whenever one changes etcd refuses what is under way, before it applies it ("revision
// in header is old"); the guard asks again, and nobody may notice.
func TestUsersChange(t *testing.T) {
	c := openClosed(t)
	id := machineNumber(1)
	worker := c.worker(id)
	lease, err := worker.GrantLease(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	m, err := worker.PutMachine(t.Context(), cluster.Machine{ID: id, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	term, err := c.root.TakeLead(t.Context(), cluster.Leader{Machine: id})
	if err != nil {
		t.Fatal(err)
	}
	batches := follow(t, c.root, cluster.Everything)
	next(t, batches, tells)

	changed, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	again := func(what string, call func(n int) error) {
		work.Go(func() {
			for n := 0; changed.Err() == nil; n++ {
				if err := call(n); err != nil {
					t.Errorf("%s while users change: %v", what, err)
					return
				}
			}
		})
	}
	again("renew", func(int) error { return worker.KeepAlive(t.Context(), lease) })
	again("read", func(int) error { _, err := worker.Machine(t.Context(), id); return err })
	again("publish", func(n int) error {
		return worker.PutStates(t.Context(), lease, id, []cluster.UnitState{{Unit: cluster.UnitName(fmt.Sprintf("web@%d.service", n%9))}}, nil)
	})
	again("place", func(n int) error {
		unit, err := c.root.PutUnit(t.Context(), aUnit(cluster.UnitName(fmt.Sprintf("db@%d.service", n))), "a")
		if err != nil {
			return err
		}
		_, err = c.root.Commit(t.Context(), term, []schedule.Change{schedule.Place{
			Placement:    cluster.Placement{Machine: id, Unit: unit.Name, Hash: unit.Hash, Desired: unit.Desired},
			UnitRevision: unit.Revision, MachineRevision: m.Revision,
		}})
		return err
	})
	work.Go(func() {
		var last int64
		for changed.Err() == nil {
			select {
			case batch := <-batches:
				if batch.Reset || batch.Revision < last {
					t.Errorf("told %+v after %d", batch, last)
				}
				last = batch.Revision
			case <-changed.Done():
			}
		}
	})
	for n := range 60 {
		_, err := c.root.client.RoleGrantPermission(t.Context(), string(access.StoreViewer), fmt.Sprintf("seen-%d", n), "", clientv3.PermissionType(clientv3.PermRead))
		if err != nil {
			t.Error(err)
		}
		if n%3 == 0 { // a watch that begins meanwhile
			next(t, follow(t, c.worker(machineNumber(n+2)), cluster.Assigned(machineNumber(n+2))), tells)
		}
	}
	stop()
	work.Wait()
}
