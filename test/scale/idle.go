package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
)

const (
	idleMembers = 3
	// What an agent does while nothing happens, by the clock: role/agent's own
	// numbers.
	leaseTime, renewEvery, recordEvery = 10 * time.Second, leaseTime / 3, time.Minute
	// lasting is how long leases are granted for where their cost is measured: it is
	// the same as that of shorter ones, and none ends for want of a processor.
	lasting  = time.Minute
	idleTime = 30 * time.Second
)

// idle is what a large cluster in which nothing happens costs its store, which is a
// closed one: machines keep their leases, look for their records and confirm that they
// are told of everything. And that none of it is a write.
func (l *lab) idle(ctx context.Context) error {
	got, err := rest(ctx, l.dir, idleMembers, l.idlers, lasting, idleTime)
	if err != nil {
		return err
	}
	l.add(fmt.Sprintf("idle: %d machines, %d members: processor time of the store", l.idlers, idleMembers), "0.3 core", "%.3f core", got.cores)
	l.add("  of it for following alone, without leases", "-", "%.3f core", got.following)
	l.add("  each renewal, of all members together", "-", "%v", got.renewal.Round(time.Microsecond))
	l.add("  renewals, of those that were due", "-", "%.0f%%", 100*got.punctual)
	l.add("  revisions written", "0", "%d in %v", got.revisions, idleTime)
	return nil
}

type idleCost struct {
	cores, following float64 // as if all renewals had come when they were due
	renewal          time.Duration
	punctual         float64 // the part of the renewals that did
	revisions        int64
}

// rest has count machines register under leases that last so long, and do nothing for
// a time.
func rest(ctx context.Context, dir string, memberCount, count int, lease, long time.Duration) (idleCost, error) {
	var cost idleCost
	allowFiles(4 * memberCount * count)
	_, ms, err := startClosed(ctx, dir, memberCount)
	if err != nil {
		return cost, err
	}
	defer ms.end()
	root, err := ms.secure(ctx)
	if err != nil {
		return cost, err
	}
	defer func() { _ = root.Close() }()
	all, err := gather(ms, count, lease)
	if err != nil {
		return cost, err
	}
	defer all.end()
	if cost.following, err = load(ctx, ms, long); err != nil {
		return cost, err
	}
	client, err := ms.connect()
	if err != nil {
		return cost, err
	}
	defer func() { _ = client.Close() }()
	if _, err := all.tell(syscall.SIGUSR1); err != nil {
		return cost, err
	}
	if _, err := load(ctx, ms, 4*renewEvery); err != nil { // until each renews where it will
		return cost, err
	}
	err = cost.watch(ctx, ms, all, client, count, long)
	return cost, err
}

// watch counts what is written and renewed while time passes, and what that costs.
func (cost *idleCost) watch(ctx context.Context, ms members, all crowd, client *clientv3.Client, count int, long time.Duration) error {
	began, err := all.renewals()
	if err != nil {
		return err
	}
	before, err := revision(ctx, client)
	if err != nil {
		return err
	}
	cores, err := load(ctx, ms, long)
	if err != nil {
		return err
	}
	after, err := revision(ctx, client)
	if err != nil {
		return err
	}
	renewed, err := all.renewals()
	if err != nil {
		return err
	}
	due := float64(count) * float64(long) / float64(renewEvery)
	cost.revisions, cost.punctual = after-before, float64(renewed-began)/due
	renewing := (cores - cost.following) / cost.punctual
	cost.cores = cost.following + renewing
	cost.renewal = time.Duration(renewing * float64(long) / due)
	return nil
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
func (as *agents) live(ctx context.Context, lease time.Duration) error {
	slots := make(chan struct{}, atOnce)
	return as.each(func(a *agent) error {
		slots <- struct{}{}
		err := a.register(ctx, lease)
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
func (a *agent) register(ctx context.Context, lasts time.Duration) error {
	lease, err := a.store.GrantLease(ctx, lasts)
	if err != nil {
		return err
	}
	a.check = rand.N(recordEvery) // machines started at different times
	a.machine, err = a.store.PutMachine(ctx, cluster.Machine{
		ID: a.id, Name: string(a.id[24:]), Address: "10.0.0.1", Lease: lease, BootID: "boot", Since: time.Now(),
		Capacity: cluster.Capacity{CPUs: 4, MemoryBytes: 8 << 30}, Probes: true, TTLSeconds: int64(lasts / time.Second),
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
	switch err := a.store.KeepAlive(ctx, a.machine.Lease); {
	case err == nil:
		a.renewed.Add(1)
	case !errors.Is(err, cluster.ErrUnavailable):
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
