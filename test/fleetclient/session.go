package fleetclient

import (
	"errors"
	"fmt"
	"time"
)

// Session goes through what fleetctl 1.0 asks for in the life of a unit, in its
// order: start FILE, list-units, list-unit-files, list-machines, stop, unload,
// destroy. wait is called between two looks at a state that must come.
func (c *Client) Session(name string, wait func() error, options ...*Option) error {
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"start", func() error { return c.start(name, wait, options) }},
		{"list-units", func() error { return c.listed(name, "active") }},
		{"stop", func() error { return c.target(name, "loaded", "inactive", wait) }},
		{"unload", func() error { return c.target(name, "inactive", "", wait) }},
		{"destroy", func() error { return c.destroyed(name) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s %s: %w", step.what, name, err)
		}
	}
	return nil
}

// start is fleetctl's: look whether the unit is there, make it, launch it, wait.
func (c *Client) start(name string, wait func() error, options []*Option) error {
	if unit, err := c.Unit(name); err != nil || unit != nil {
		return fmt.Errorf("before it was made: %+v, %v", unit, err)
	}
	if err := c.Create(name, options...); err != nil {
		return err
	}
	unit, err := c.Unit(name)
	if err != nil || unit == nil || unit.Name != name || unit.CurrentState != "inactive" || len(unit.Options) != len(options) {
		return fmt.Errorf("made: %+v, %v", unit, err)
	}
	for i, option := range options {
		if *unit.Options[i] != *option {
			return fmt.Errorf("option %d came back as %+v, want %+v", i+1, unit.Options[i], option)
		}
	}
	return c.target(name, "launched", "active", wait)
}

// target sets what is wanted and waits until the machine has done it; active is
// what systemd must say then, empty where it must say nothing.
func (c *Client) target(name, state, active string, wait func() error) error {
	if err := c.SetTarget(name, state); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		unit, err := c.Unit(name)
		if err != nil || unit == nil {
			return fmt.Errorf("%+v, %v", unit, err)
		}
		states, err := c.States(name, "")
		if err != nil {
			return err
		}
		done := unit.CurrentState == state && unit.DesiredState == state
		switch {
		case done && active == "" && len(states) == 0 && unit.MachineID == "":
			return nil
		case done && active != "" && len(states) == 1 && states[0].SystemdActiveState == active && states[0].SystemdLoadState == "loaded":
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("it is still %+v, with %d states", unit, len(states))
		}
		if err := wait(); err != nil {
			return err
		}
	}
}

// listed finds the unit in each of the lists that fleetctl prints, as one thing.
func (c *Client) listed(name, active string) error {
	units, err := c.Units()
	if err != nil {
		return err
	}
	states, err := c.States("", "")
	if err != nil {
		return err
	}
	machines, err := c.Machines()
	if err != nil {
		return err
	}
	one, err := c.State(name)
	if err != nil {
		return err
	}
	addresses := map[string]string{}
	for _, m := range machines {
		addresses[m.ID] = m.PrimaryIP
	}
	for _, u := range units {
		if u.Name != name {
			continue
		}
		for _, s := range states {
			if s.Name == name && *s == *one && s.MachineID == u.MachineID && s.SystemdActiveState == active && len(s.Hash) == 40 && addresses[u.MachineID] != "" {
				return nil
			}
		}
	}
	return fmt.Errorf("not found in %d units, %d states and %d machines", len(units), len(states), len(machines))
}

func (c *Client) destroyed(name string) error {
	if err := c.Destroy(name); err != nil {
		return err
	}
	var e *Error
	if err := c.Destroy(name); !errors.As(err, &e) || e.Code != 404 || e.Message != "unit does not exist" {
		return fmt.Errorf("destroyed again: %w", err)
	}
	if unit, err := c.Unit(name); err != nil || unit != nil {
		return fmt.Errorf("it is still there: %+v, %w", unit, err)
	}
	return nil
}
