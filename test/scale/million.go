package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/edge/store"
)

const (
	text = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
	// restart is fleet.service's RestartSec: what systemd waits after a crash.
	restart = 200 * time.Millisecond
	// detection stands for the detector: how long after a machine's end its lease is
	// revoked.
	detection = 1500 * time.Millisecond
	takeovers = 3
)

// fleet is a store with machines and units, and engines on its members' machines.
type fleet struct {
	members members
	nodes   []*node
	client  *clientv3.Client
	store   *store.Store
	units   int // that were written so far
}

// million places very many units durably, by the real engine over three members
// with fsync, and then ends the leader: its engine alone, and the whole machine,
// which leads raft too. A second engine stands by, warm.
func (l *lab) million(ctx context.Context) error {
	ms, err := start(ctx, l.dir, 3)
	if err != nil {
		return err
	}
	f := &fleet{members: ms}
	defer f.end()
	if err := f.fill(ctx, l.units, l.machines); err != nil {
		return err
	}
	if err := l.placeAll(ctx, f); err != nil {
		return err
	}
	var engines, machines []time.Duration
	for range takeovers {
		took, err := f.loseEngine(ctx)
		if err != nil {
			return fmt.Errorf("the leader's engine ends: %w", err)
		}
		engines = append(engines, took)
	}
	took, err := f.loseMachine(ctx)
	if err != nil {
		return fmt.Errorf("the leader's machine ends: %w", err)
	}
	machines = append(machines, took)
	l.add(fmt.Sprintf("leader's engine killed at %d units, to the next placement", l.units), "2 s", "%s", spread(engines))
	l.add(fmt.Sprintf("leader's machine killed (raft's leader too; its lease revoked after %v), likewise", detection), "6 s", "%s", spread(machines))
	return nil
}

// fill writes machines under leases that last, and units.
func (f *fleet) fill(ctx context.Context, units, machines int) error {
	var err error
	if f.client, err = f.members.connect(); err != nil {
		return err
	}
	if f.store, err = store.Open(store.Config{Endpoints: f.members.endpoints(), Timeout: 5 * time.Second}); err != nil {
		return err
	}
	lease, err := f.store.GrantLease(ctx, time.Hour)
	if err != nil {
		return err
	}
	for n := range machines {
		m := cluster.Machine{
			ID: machineNumber(n), Name: fmt.Sprintf("core-%05d", n), Address: "10.0.0.1", Lease: lease,
			Capacity: cluster.Capacity{CPUs: 64, MemoryBytes: 256 << 30}, Probes: true,
		}
		if n < len(f.members) { // a machine that decides
			if m.Lease, err = f.store.GrantLease(ctx, time.Hour); err != nil {
				return err
			}
			f.nodes = append(f.nodes, &node{id: m.ID, lease: m.Lease, member: f.members[n]})
		}
		if _, err := f.store.PutMachine(ctx, m); err != nil {
			return err
		}
	}
	if err := f.launch(ctx); err != nil { // with the text
		return err
	}
	return f.launchMany(ctx, units-1)
}

// launch writes a unit as the API does it, until the store has it.
func (f *fleet) launch(ctx context.Context) error {
	unit := cluster.Unit{Name: unitNumber(f.units), Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1, At: time.Now()}
	f.units++
	for {
		_, err := f.store.PutUnit(ctx, unit, text)
		switch {
		case errors.Is(err, cluster.ErrUnavailable) && ctx.Err() == nil:
		case errors.Is(err, cluster.ErrConflict): // of a try before
			return nil
		default:
			return err
		}
	}
}

// launchMany writes units whose text is there, 128 at a time.
func (f *fleet) launchMany(ctx context.Context, count int) error {
	value, err := json.Marshal(cluster.Unit{Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1, By: "scale", At: time.Now()})
	if err != nil {
		return err
	}
	err = writeAll(ctx, f.client, count, func(n int) clientv3.Op {
		return clientv3.OpPut("/argosy/v1/units/"+string(unitNumber(f.units+n)), string(value))
	})
	f.units += count
	return err
}

// placeAll has one engine place all units and the others follow.
func (l *lab) placeAll(ctx context.Context, f *fleet) error {
	began := time.Now()
	if err := f.nodes[0].startEngine(f.members); err != nil {
		return err
	}
	if err := f.nodes[0].await(ctx, func(s standing) bool { return s.leads }); err != nil {
		return err
	}
	read := time.Now()
	var placed int64
	for placed < int64(f.units) {
		response, err := f.client.Get(ctx, "/argosy/v1/placements/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			return err
		}
		placed = response.Count
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	took := time.Since(read)
	l.add(fmt.Sprintf("%d units on %d machines placed durably, members: %d", l.units, l.machines, len(f.members)), "-",
		"%.1f s, %.0f/s", took.Seconds(), float64(l.units)/took.Seconds())
	if err := f.nodes[1].startEngine(f.members); err != nil {
		return err
	}
	if err := f.nodes[1].await(ctx, func(s standing) bool { return s.revision > 0 }); err != nil {
		return err
	}
	s, err := f.nodes[1].ask(ctx, true)
	if err != nil {
		return err
	}
	l.add("  an engine's memory a unit", "1 kB", "%.0f B", float64(s.heap)/float64(l.units))
	l.add("  an engine's first reading of the units alone", "-", "%.1f s", read.Sub(began).Seconds())
	return nil
}

func (f *fleet) end() {
	for _, n := range f.nodes {
		if n.engine != nil {
			n.engine.kill()
		}
	}
	f.members.end()
	if f.client != nil {
		_ = f.client.Close()
	}
	if f.store != nil {
		_ = f.store.Close()
	}
}
