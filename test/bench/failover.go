package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// failovers is how many machines of each kind are ended.
const failovers = 8

// victim is the machine that is ended. It is never core-01, which answers the watch.
const victim = "core-03"

// failover is the time from SIGKILL of a machine to its unit's being active on
// another: of one that leads nothing, as a worker does, and of one that leads both
// the store and the engines.
func (l *lab) failover(ctx context.Context) error {
	units := []cluster.UnitName{"failover@1.service", "failover@2.service", "failover@3.service"}
	defer func() {
		for _, unit := range units {
			_, _ = l.api.Destroy(context.WithoutCancel(ctx), unit)
		}
	}()
	for _, kind := range []struct {
		what, budget string
		leads        bool
	}{
		{"a machine that leads nothing", "p50 2 s, p99 3 s", false},
		{"the machine that leads store and engines", "p50 4 s, p99 6 s", true},
	} {
		var took []time.Duration
		for range failovers {
			if err := l.haveLead(ctx, kind.leads); err != nil {
				return err
			}
			d, err := l.failOnce(ctx, units)
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		slices.Sort(took)
		l.add("failover of "+kind.what+", SIGKILL to active elsewhere", kind.budget, "p50 %.1f s (%.1f to %.1f, %d runs)",
			took[len(took)/2].Seconds(), took[0].Seconds(), took[len(took)-1].Seconds(), failovers)
	}
	return nil
}

// failOnce has one of the units on the victim, ends that machine and waits.
func (l *lab) failOnce(ctx context.Context, units []cluster.UnitName) (time.Duration, error) {
	text := service
	for _, unit := range units { // anew, so that they spread
		if _, err := l.api.Destroy(ctx, unit); err != nil && !errors.Is(err, cluster.ErrNotFound) {
			return 0, err
		}
	}
	var moving cluster.UnitName
	for _, unit := range units {
		if _, err := l.api.SetUnit(ctx, unit, api.UnitChange{Text: &text, Desired: cluster.Launched}); err != nil {
			return 0, err
		}
		at, err := l.activeOn(ctx, unit, func(string) bool { return true })
		if err != nil {
			return 0, err
		}
		if at == victim {
			moving = unit
		}
	}
	if moving == "" {
		return 0, fmt.Errorf("none of %v is on %s", units, victim)
	}
	began := time.Now()
	if err := l.command(ctx, "chaos", "kill", victim); err != nil {
		return 0, err
	}
	if _, err := l.activeOn(ctx, moving, func(machine string) bool { return machine != victim }); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if err := l.command(ctx, "chaos", "start", victim); err != nil {
		return 0, err
	}
	return took, l.allThere(ctx)
}

// storeLeader prints the name of the store's leader. Its id is too large for awk's
// numbers, and compared as a string.
const storeLeader = `id=$(etcdctl endpoint status -w fields | awk '/^"Leader"/ {print $3}')
etcdctl member list -w fields | awk -v id="$id" '/^"ID"/ {it = ($3 "" == id "")} /^"Name"/ && it {gsub("\"", ""); print $3; exit}'`

// asMember is etcdctl as this member itself, who may read everything.
const asMember = "sudo etcdctl --endpoints=https://$(hostname):2379 --cacert=/etc/argosy/pki/ca.crt --cert=/etc/argosy/pki/machine.crt --key=/etc/argosy/pki/machine.key "

// haveLead has the victim lead the store and the engines, or neither.
func (l *lab) haveLead(ctx context.Context, both bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		done, err := l.lead(ctx, both)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not come to lead, or not to lead: %w", victim, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// lead says whether the victim leads both or neither, as wanted. Who leads and should
// not is made to hand it on, to whom it likes.
func (l *lab) lead(ctx context.Context, both bool) (done bool, err error) {
	store, err := l.shell(ctx, "core-01", storeLeader)
	if err != nil {
		return false, err
	}
	record, err := l.shell(ctx, "core-01", asMember+"get --print-value-only /argosy/v1/leader")
	if err != nil {
		return false, err
	}
	machines, err := l.api.Machines(ctx)
	if err != nil {
		return false, err
	}
	engines := ""
	for _, m := range machines.Machines {
		if strings.Contains(record, string(m.ID)) {
			engines = m.Name
		}
	}
	done = true
	for service, at := range map[string]string{"etcd": strings.TrimSpace(store), "fleet": engines} {
		if at != "" && (at == victim) == both {
			continue
		}
		done = false
		if at == "" {
			continue // it is being handed on
		}
		if _, err := l.shell(ctx, at, "sudo systemctl restart "+service); err != nil {
			return false, err
		}
	}
	return done, nil
}

// activeOn waits until the unit is active on a machine that suits.
func (l *lab) activeOn(ctx context.Context, name cluster.UnitName, suits func(machine string) bool) (machine string, err error) {
	err = l.api.Watch(ctx, []cluster.UnitName{name}, func(line api.WatchLine) error {
		if line.Unit == nil {
			return nil
		}
		for _, p := range line.Unit.On {
			if p.State != nil && p.State.Active == "active" && p.Placed != nil && p.Name != "" && suits(p.Name) {
				machine = p.Name
				return errActive
			}
		}
		return nil
	})
	if !errors.Is(err, errActive) {
		return "", fmt.Errorf("watch %s: %w", name, err)
	}
	return machine, nil
}

// allThere waits until three machines are in the cluster.
func (l *lab) allThere(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		machines, err := l.api.Machines(ctx)
		if err == nil && len(machines.Machines) == 3 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of 3 machines came back: %w", len(machines.Machines), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
