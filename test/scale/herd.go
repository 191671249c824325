package main

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/store"
)

// herdPlacements are made one after the other, each on another machine.
const herdPlacements = 50

// herd is what one placement costs a cluster of agents: who is woken, and the
// bytes that all connections to the store carry.
func (l *lab) herd(ctx context.Context) error {
	for _, count := range []int{10, 1000, 10_000} {
		got, err := placeAmong(ctx, l.dir, count, herdPlacements)
		if err != nil {
			return fmt.Errorf("%d agents: %w", count, err)
		}
		l.add(fmt.Sprintf("a placement among %d agents: agents woken", count), "1", "%.2f", got.woken)
		l.add("  bytes on the wire, the leader's transaction among them", "2048", "%.0f", got.bytes)
		l.add("  processor time of the store", "-", "%v", got.processor.Round(10*time.Microsecond))
	}
	return nil
}

// herdCost is of one placement, on average.
type herdCost struct {
	woken, bytes float64
	processor    time.Duration
}

// placeAmong places some units, one after the other, on as many agents of a
// cluster of count. Nothing else speaks to the store meanwhile.
func placeAmong(ctx context.Context, dir string, count, placements int) (herdCost, error) {
	var cost herdCost
	allowFiles(4 * count) // of the member too
	ms, err := start(ctx, dir, 1)
	if err != nil {
		return cost, err
	}
	defer ms.end()
	as, err := follow(ctx, 0, count, store.Config{Endpoints: ms.endpoints(), ConfirmEvery: time.Hour})
	if err != nil {
		return cost, err
	}
	defer as.end()
	leader, err := store.Open(store.Config{Endpoints: ms.endpoints()})
	if err != nil {
		return cost, err
	}
	defer func() { _ = leader.Close() }()
	changes, err := wanted(ctx, leader, placements, count)
	if err != nil {
		return cost, err
	}
	term, err := leader.TakeLead(ctx, cluster.Leader{Run: "scale"})
	if err != nil {
		return cost, err
	}
	before, err := onTheWire(ctx, ms)
	if err != nil {
		return cost, err
	}
	spent, err := ms.spent()
	if err != nil {
		return cost, err
	}
	for n, change := range changes {
		if _, err := leader.Commit(ctx, term, []schedule.Change{change}); err != nil {
			return cost, err
		}
		select {
		case <-as.all[n%count].placed:
		case <-time.After(patience):
			return cost, fmt.Errorf("agent %d was not told within %v", n, patience)
		}
		cost.woken += float64(as.woken())
	}
	cost.woken /= float64(placements)
	after, err := onTheWire(ctx, ms)
	cost.bytes = float64(after-before) / float64(placements)
	if now, err := ms.spent(); err == nil {
		cost.processor = (now - spent) / time.Duration(placements)
	}
	return cost, err
}

// wanted writes units and has each placed on a machine of its own, with a reason
// as core/schedule gives it.
func wanted(ctx context.Context, s *store.Store, units, machines int) (changes []schedule.Change, err error) {
	const text = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
	for n := range units {
		unit := cluster.Unit{Name: unitNumber(n), Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1, At: time.Now()}
		if unit, err = s.PutUnit(ctx, unit, text); err != nil {
			return nil, err
		}
		changes = append(changes, schedule.Place{UnitRevision: unit.Revision, Placement: cluster.Placement{
			Machine: machineNumber(n % machines), Unit: unit.Name, Hash: unit.Hash, Desired: unit.Desired, Generation: 1, At: time.Now(),
			Reason: fmt.Sprintf("the fewest units of %d machines that may run it, in zone b", machines),
		}})
	}
	return changes, nil
}

// revision is how often the store was written so far.
func revision(ctx context.Context, client *clientv3.Client) (int64, error) {
	response, err := client.Get(ctx, "anything", clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return response.Header.Revision, nil
}
