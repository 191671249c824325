package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

const failovers = 5

// failover is the time from SIGKILL of a machine to its unit's being active on
// another, for a machine that holds no leadership by choice: core-03, of which
// nothing is known to the store but that it is there.
func (l *lab) failover(ctx context.Context) error {
	const name = cluster.UnitName("failover.service")
	defer func() { _, _ = l.api.Destroy(context.WithoutCancel(ctx), name) }()
	var took []time.Duration
	for range failovers {
		d, err := l.failOnce(ctx, name)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	l.add("failover, SIGKILL to active elsewhere, median of "+fmt.Sprint(failovers), "15 s", "%.1f s (%.1f to %.1f)",
		took[len(took)/2].Seconds(), took[0].Seconds(), took[len(took)-1].Seconds())
	return nil
}

// failOnce puts the unit on core-02 or core-03, ends that machine and waits.
func (l *lab) failOnce(ctx context.Context, name cluster.UnitName) (time.Duration, error) {
	near, err := l.exampleOn(ctx, "core-01")
	if err != nil {
		return 0, err
	}
	// core-01 answers the watch, so it must not be the one that is killed.
	text := service + "\n[X-Fleet]\nConflicts=" + string(near) + "\n"
	if _, err := l.api.SetUnit(ctx, name, api.UnitChange{Text: &text, Desired: cluster.Launched}); err != nil {
		return 0, err
	}
	at, err := l.activeOn(ctx, name, func(machine string) bool { return true })
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := l.command(ctx, "chaos", "kill", at); err != nil {
		return 0, err
	}
	if _, err := l.activeOn(ctx, name, func(machine string) bool { return machine != at }); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if err := l.command(ctx, "chaos", "start", at); err != nil {
		return 0, err
	}
	return took, l.allThere(ctx)
}

// exampleOn is the instance of the example that `argosy up` started on a machine.
func (l *lab) exampleOn(ctx context.Context, machine string) (cluster.UnitName, error) {
	units, err := l.api.Units(ctx)
	if err != nil {
		return "", err
	}
	for _, unit := range units.Units {
		for _, p := range unit.On {
			if p.Name == machine && unit.Name.Prefix() == "hello" {
				return unit.Name, nil
			}
		}
	}
	return "", fmt.Errorf("no instance of hello@.service is on %s", machine)
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
