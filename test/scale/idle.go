package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/edge/store"
)

const (
	idleMachines = 10_000
	idleMembers  = 3
	// What an agent does while nothing happens, by the clock: role/agent's own
	// numbers.
	leaseTime, renewEvery, recordEvery = 10 * time.Second, leaseTime / 3, time.Minute
	idleTime                           = 30 * time.Second
)

// idle is what a large cluster in which nothing happens costs its store: machines
// keep their leases, look for their records and confirm that they are told of
// everything. And that none of it is a write.
func (l *lab) idle(ctx context.Context) error {
	got, err := rest(ctx, l.dir, idleMembers, idleMachines, idleTime)
	if err != nil {
		return err
	}
	l.add(fmt.Sprintf("idle: %d machines, %d members: processor time of the store", idleMachines, idleMembers), "0.3 core", "%.2f core", got.cores)
	l.add("  of it for following alone, without leases", "-", "%.2f core", got.following)
	l.add("  revisions written", "0", "%d in %v", got.revisions, idleTime)
	return nil
}

type idleCost struct {
	cores, following float64
	revisions        int64
}

// rest has count machines register and do nothing for a time.
func rest(ctx context.Context, dir string, memberCount, count int, long time.Duration) (idleCost, error) {
	var cost idleCost
	allowFiles(4 * memberCount * count)
	ms, err := start(ctx, dir, memberCount)
	if err != nil {
		return cost, err
	}
	defer ms.end()
	as, err := follow(ctx, count, store.Config{Endpoints: ms.endpoints(), Timeout: patience})
	if err != nil {
		return cost, err
	}
	defer as.end()
	if cost.following, err = load(ctx, ms, long); err != nil {
		return cost, err
	}
	client, err := ms.connect()
	if err != nil {
		return cost, err
	}
	defer func() { _ = client.Close() }()
	keeping, stop := context.WithCancel(ctx)
	var kept sync.WaitGroup
	var fault error
	kept.Go(func() { fault = as.live(keeping) })
	if err = as.registered(ctx); err == nil {
		cost.revisions, cost.cores, err = watch(ctx, ms, client, long)
	}
	stop()
	kept.Wait()
	return cost, errors.Join(err, fault)
}

// watch counts what is written while time passes, and what that costs.
func watch(ctx context.Context, ms members, client *clientv3.Client, long time.Duration) (revisions int64, cores float64, err error) {
	before, err := revision(ctx, client)
	if err != nil {
		return 0, 0, err
	}
	if cores, err = load(ctx, ms, long); err != nil {
		return 0, 0, err
	}
	after, err := revision(ctx, client)
	return after - before, cores, err
}

// load is how many cores the members keep busy for a time.
func load(ctx context.Context, ms members, long time.Duration) (cores float64, err error) {
	before, err := ms.spent()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-time.After(long):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := ms.spent()
	return float64(after-before) / float64(time.Since(began)), err
}

// live has each machine register and then do what agents do while nothing
// happens, until ctx ends.
func (as *agents) live(ctx context.Context) error {
	slots := make(chan struct{}, atOnce)
	return as.each(func(a *agent) error {
		slots <- struct{}{}
		err := a.register(ctx)
		<-slots
		for next := rand.N(renewEvery); err == nil && ctx.Err() == nil; next = renewEvery {
			err = a.keep(ctx, next)
		}
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
}

// register writes the machine's record under a lease of its own.
func (a *agent) register(ctx context.Context) error {
	lease, err := a.store.GrantLease(ctx, leaseTime)
	if err != nil {
		return err
	}
	a.check = rand.N(recordEvery) // machines started at different times
	a.machine, err = a.store.PutMachine(ctx, cluster.Machine{
		ID: a.id, Name: string(a.id[24:]), Address: "10.0.0.1", Lease: lease, BootID: "boot", Since: time.Now(),
		Capacity: cluster.Capacity{CPUs: 4, MemoryBytes: 8 << 30}, Probes: true, TTLSeconds: int64(leaseTime / time.Second),
	})
	close(a.lives)
	return err
}

// keep renews the lease once, after a pause, and looks for the record now and then.
func (a *agent) keep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(pause):
	}
	if err := a.store.KeepAlive(ctx, a.machine.Lease); err != nil && !errors.Is(err, cluster.ErrUnavailable) {
		return err
	}
	if a.check += pause; a.check < recordEvery {
		return nil
	}
	a.check = 0
	if _, err := a.store.Machine(ctx, a.id); err != nil && !errors.Is(err, cluster.ErrUnavailable) {
		return err
	}
	return nil
}

// registered waits until each machine has a record.
func (as *agents) registered(ctx context.Context) error {
	for _, a := range as.all {
		select {
		case <-a.lives:
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience):
			return fmt.Errorf("machine %s has not registered within %v", a.id, patience)
		}
	}
	return nil
}

// each does something for all agents at once, and returns what went wrong.
func (as *agents) each(do func(*agent) error) error {
	errs := make([]error, len(as.all))
	var work sync.WaitGroup
	for i, a := range as.all {
		work.Go(func() { errs[i] = do(a) })
	}
	work.Wait()
	var first error
	failed := 0
	for _, err := range errs {
		if err != nil {
			first, failed = err, failed+1
		}
	}
	if first != nil {
		return fmt.Errorf("%d of %d machines: %w", failed, len(errs), first)
	}
	return nil
}
