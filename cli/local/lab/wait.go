package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// wait is one thing that must be so on each machine before the cluster counts
// as healthy. They are waited for in order.
type wait struct {
	step    string
	unit    string // that must be active, and whose journal tells why it is not
	members bool   // on members alone
	within  time.Duration
}

var waits = []wait{
	{step: "systemd", unit: "ssh.service", within: time.Minute},
	{step: "etcd", unit: "etcd.service", members: true, within: time.Minute},
	{step: "the store's relay", unit: "etcd-endpoint.service", within: time.Minute},
	{step: "fleet", unit: "fleet.service", within: time.Minute},
}

// interval is how often a machine is asked: systemd has no way to be waited for
// from outside that also ends when a unit is started again and again.
const interval = 100 * time.Millisecond

// healthy waits for all of waits, on all machines at once.
func (c *Cluster) healthy(ctx context.Context, progress Progress) error {
	for _, w := range waits {
		progress.Step(w.step)
		group, ctx := errgroup.WithContext(ctx)
		for _, node := range c.plan.Machines {
			if node.Member || !w.members {
				group.Go(func() error { return c.await(ctx, node, w) })
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	progress.Step("one cluster")
	return c.joined(ctx)
}

// joinTime bounds the wait for machines whose fleetd is up to have registered.
const joinTime = time.Minute

// joined waits until fleet lists every machine.
func (c *Cluster) joined(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	again := time.NewTicker(interval)
	defer again.Stop()
	for {
		out, code, err := c.Run(bounded, c.plan.Machines[0].Name, "fleetctl", "list-machines", "--no-legend", "--fields", "ip")
		listed := strings.Fields(string(out))
		missing := slices.DeleteFunc(slices.Clone(c.plan.Machines), func(n Node) bool {
			return slices.Contains(listed, n.Address.String())
		})
		if err == nil && code == 0 && len(missing) == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if len(missing) == 0 {
				return fmt.Errorf("fleetctl list-machines on %s: exit code %d: %s", c.plan.Machines[0].Name, code, out)
			}
			return errors.Join(fmt.Errorf("%s has not joined the cluster after %s", missing[0].Name, joinTime), c.journal(ctx, missing[0], "fleet.service"))
		}
	}
}

// await waits for one unit on one machine.
func (c *Cluster) await(ctx context.Context, node Node, w wait) error {
	bounded, cancel := context.WithTimeout(ctx, w.within)
	defer cancel()
	again := time.NewTicker(interval)
	defer again.Stop()
	var last string
	for {
		state, err := c.unitState(bounded, node, w.unit)
		switch {
		case err == nil && state == "active":
			return nil
		case err == nil:
			last = state
		case bounded.Err() == nil:
			last = "cannot be asked: " + err.Error()
		}
		select {
		case <-again.C:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return ctx.Err() // another machine's fault is being told
			}
			return errors.Join(fmt.Errorf("%s: %s is not active after %s but %s", node.Name, w.unit, w.within, last), c.journal(ctx, node, w.unit))
		}
	}
}

// unitState is what systemd on a machine says of a unit: active, failed ...
func (c *Cluster) unitState(ctx context.Context, node Node, unit string) (string, error) {
	m, err := c.machine(node)
	if err != nil {
		return "", err
	}
	out, _, err := m.Run(ctx, "systemctl", "is-active", unit)
	return strings.TrimSpace(string(out)), err
}

// journal is the end of a unit's journal, as an error to be shown with another.
func (c *Cluster) journal(ctx context.Context, node Node, unit string) error {
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	m, err := c.machine(node)
	if err != nil {
		return err
	}
	out, _, err := m.Run(bounded, "journalctl", "--unit", unit, "--lines", "15", "--no-pager", "--output", "short-precise")
	if err != nil {
		return fmt.Errorf("its journal cannot be read (%w); the machine's console is in %s", err, m.Console())
	}
	return fmt.Errorf("the end of its journal:\n%s", strings.TrimRight(string(out), "\n"))
}
