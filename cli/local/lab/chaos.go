package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"argosy/edge/localnet"
	"argosy/edge/nspawn"
)

// change calls work with one machine, while nobody else changes the cluster.
func (c *Cluster) change(ctx context.Context, machine string, work func(Node, *nspawn.Machine) error) error {
	if err := mustBeRoot(); err != nil {
		return err
	}
	node, err := c.plan.node(machine)
	if err != nil {
		return err
	}
	release, err := hold(ctx, c.plan.Name, func() {})
	if err != nil {
		return err
	}
	defer release()
	m, err := c.machine(node)
	if err != nil {
		return err
	}
	return work(node, m)
}

// Kill ends a machine as a power cut does.
func (c *Cluster) Kill(ctx context.Context, machine string) error {
	return c.change(ctx, machine, func(_ Node, m *nspawn.Machine) error { return m.Kill(ctx) })
}

// Start boots a machine from its own disk and waits for its systemd.
func (c *Cluster) Start(ctx context.Context, machine string) error {
	return c.change(ctx, machine, func(node Node, m *nspawn.Machine) error {
		if m.State() == nspawn.Paused {
			return fmt.Errorf("%s is paused, not off: `argosy chaos resume %s`", machine, machine)
		}
		if err := c.silence(ctx, machine, false); err != nil { // it may have been paused when it was killed
			return err
		}
		if err := c.powerOn(ctx, m); err != nil {
			return err
		}
		return c.started(ctx, node)
	})
}

// powerOn boots a machine that is off, in the cluster's network.
func (c *Cluster) powerOn(ctx context.Context, m *nspawn.Machine) error {
	if m.State() != nspawn.Off {
		return nil
	}
	if err := c.namespace().Unplug(ctx, m.Spec.Name); err != nil {
		return err
	}
	return c.namespace().Do(func() error { return m.Start(ctx, c.binary()) })
}

// started waits for a machine's systemd, and gives its new link the shape that
// the old one had.
func (c *Cluster) started(ctx context.Context, node Node) error {
	if err := c.await(ctx, node, waits[0]); err != nil {
		return err
	}
	faults, err := c.faults()
	if err != nil {
		return err
	}
	for _, slow := range faults.Slows {
		if slow.Machine == node.Name {
			return c.shape(ctx, node, slow)
		}
	}
	return nil
}

// Pause stops a machine where it is, as if its kernel were frozen: nothing in it
// runs and nothing is heard of it, not even by this host.
func (c *Cluster) Pause(ctx context.Context, machine string) error {
	return c.change(ctx, machine, func(_ Node, m *nspawn.Machine) error {
		if err := m.Pause(ctx); err != nil {
			return err
		}
		return c.silence(ctx, machine, true)
	})
}

// Resume lets a paused machine go on.
func (c *Cluster) Resume(ctx context.Context, machine string) error {
	return c.change(ctx, machine, func(_ Node, m *nspawn.Machine) error {
		if err := c.silence(ctx, machine, false); err != nil {
			return err
		}
		return m.Resume(ctx)
	})
}

func (c *Cluster) silence(ctx context.Context, machine string, silent bool) error {
	faults, err := c.faults()
	if err != nil {
		return err
	}
	return c.lay(ctx, faults.WithSilence(machine, silent))
}

// Reboot asks a machine's systemd for a reboot and waits until it is up again.
func (c *Cluster) Reboot(ctx context.Context, machine string) error {
	return c.change(ctx, machine, func(node Node, m *nspawn.Machine) error {
		if m.State() == nspawn.Paused {
			return fmt.Errorf("%s is paused and can do nothing: `argosy chaos resume %s`", machine, machine)
		}
		before, err := m.Leader()
		if err != nil {
			return err
		}
		if out, code, err := m.Run(ctx, "systemctl", "reboot"); err != nil || code != 0 {
			return errors.Join(err, fmt.Errorf("systemctl reboot on %s: exit code %d: %s", machine, code, strings.TrimSpace(string(out))))
		}
		if err := gone(ctx, m, before); err != nil {
			return err
		}
		return c.started(ctx, node)
	})
}

// rebootPatience outlasts a service that takes systemd's 90 s to be stopped, and
// fleet's own 120 s.
const rebootPatience = 4 * time.Minute

// gone waits until a machine's PID 1 is not the one that it was.
func gone(ctx context.Context, m *nspawn.Machine, before int) error {
	ctx, cancel := context.WithTimeout(ctx, rebootPatience)
	defer cancel()
	again := time.NewTicker(interval)
	defer again.Stop()
	for {
		if now, err := m.Leader(); err == nil && now != before {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has not rebooted after %s; its console is in %s: %w", m.Spec.Name, rebootPatience, m.Console(), ctx.Err())
		}
	}
}

// Partition cuts a machine off from another, or from all if from is empty.
func (c *Cluster) Partition(ctx context.Context, machine, from string, direction localnet.Direction) error {
	return c.change(ctx, machine, func(Node, *nspawn.Machine) error {
		if from != "" {
			if _, err := c.plan.node(from); err != nil {
				return err
			}
		}
		if from == machine {
			return fmt.Errorf("%s cannot be cut off from itself", machine)
		}
		faults, err := c.faults()
		if err != nil {
			return err
		}
		return c.lay(ctx, faults.With(localnet.Cut{Machine: machine, From: from, Direction: direction}))
	})
}

// Heal mends all that is broken in a machine's network.
func (c *Cluster) Heal(ctx context.Context, machine string) error {
	return c.change(ctx, machine, func(node Node, m *nspawn.Machine) error {
		faults, err := c.faults()
		if err != nil {
			return err
		}
		if err := c.lay(ctx, faults.Without(machine)); err != nil {
			return err
		}
		if m.State() == nspawn.Off {
			return nil
		}
		return c.shape(ctx, node, localnet.Slow{Machine: machine})
	})
}

// Slow makes a machine's network worse. What the kernel can is done even if it
// cannot do all: then the error is localnet.ErrCannot and says what is missing.
func (c *Cluster) Slow(ctx context.Context, slow localnet.Slow) error {
	return c.change(ctx, slow.Machine, func(node Node, m *nspawn.Machine) error {
		var cannot error
		if m.State() != nspawn.Off {
			cannot = c.shape(ctx, node, slow)
			if errors.Is(cannot, localnet.ErrCannot) {
				slow.Delay = 0
				if err := c.shape(ctx, node, slow); err != nil {
					return err
				}
			} else if cannot != nil {
				return cannot
			}
		}
		faults, err := c.faults()
		if err != nil {
			return err
		}
		return errors.Join(c.lay(ctx, faults.WithSlow(slow)), cannot)
	})
}

// shape gives both ends of a machine's link their rate and delay.
func (c *Cluster) shape(ctx context.Context, node Node, slow localnet.Slow) error {
	m, err := c.machine(node)
	if err != nil {
		return err
	}
	leader, err := m.Leader()
	if err != nil {
		return err
	}
	if err := c.namespace().Shape(ctx, localnet.Port(node.Name), slow); err != nil {
		return err
	}
	return localnet.Of(leader).Shape(ctx, "host0", slow)
}

// lay records faults, then makes them hold.
func (c *Cluster) lay(ctx context.Context, faults localnet.Faults) error {
	text, err := json.MarshalIndent(faults, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(c.path("faults.json"), string(text)+"\n", 0o644); err != nil {
		return err
	}
	return c.namespace().Lay(ctx, faults)
}

// faults reads what lay recorded.
func (c *Cluster) faults() (localnet.Faults, error) {
	var faults localnet.Faults
	text, err := os.ReadFile(c.path("faults.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return faults, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &faults)
	}
	if err != nil {
		return faults, fmt.Errorf("read %s: %w", c.path("faults.json"), err)
	}
	return faults, nil
}
