package systemd

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Services starts and stops the units of this machine itself: its store's, its
// relay's, its fleetd's. It needs no Manager, and connects for each call.
type Services struct{}

// Start has units started now and at each boot, one after the other. What runs
// already stays as it is. A unit has started when systemd says so: with
// Type=notify, when it answers.
func (Services) Start(ctx context.Context, units ...string) error {
	return withSystemd(ctx, func(conn *dbus.Conn) error {
		if _, _, err := conn.EnableUnitFilesContext(ctx, units, false, true); err != nil {
			return fmt.Errorf("enable %v: %w", units, err)
		}
		if err := conn.ReloadContext(ctx); err != nil {
			return fmt.Errorf("reload systemd: %w", err)
		}
		for _, unit := range units {
			if err := await(ctx, "start", unit, conn.StartUnitContext); err != nil {
				return err
			}
		}
		return nil
	})
}

// Restart restarts a unit, and waits until it has started again.
func (Services) Restart(ctx context.Context, unit string) error {
	return withSystemd(ctx, func(conn *dbus.Conn) error { return await(ctx, "restart", unit, conn.RestartUnitContext) })
}

// Reload has a unit read its configuration anew, where it runs.
func (Services) Reload(ctx context.Context, unit string) error {
	return withSystemd(ctx, func(conn *dbus.Conn) error {
		state, err := conn.GetUnitPropertyContext(ctx, unit, "ActiveState")
		if err != nil {
			return fmt.Errorf("look for %s: %w", unit, err)
		}
		if word, _ := state.Value.Value().(string); word != "active" {
			return nil // it reads it when it starts
		}
		return await(ctx, "reload", unit, conn.ReloadUnitContext)
	})
}

// Installed refuses where one of the units is not there.
func (Services) Installed(ctx context.Context, units ...string) error {
	return withSystemd(ctx, func(conn *dbus.Conn) error {
		for _, unit := range units {
			state, err := conn.GetUnitPropertyContext(ctx, unit, "LoadState")
			if err != nil {
				return fmt.Errorf("look for %s: %w", unit, err)
			}
			if word, _ := state.Value.Value().(string); word != "loaded" {
				return fmt.Errorf("systemd has no %s here (it is %s): install argosy's units first", unit, word)
			}
		}
		return nil
	})
}

func withSystemd(ctx context.Context, do func(*dbus.Conn) error) error {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return fmt.Errorf("connect to systemd: %w", err)
	}
	defer conn.Close()
	return do(conn)
}

// await waits for the end of one job.
func await(ctx context.Context, what, unit string, enqueue func(context.Context, string, string, chan<- string) (int, error)) error {
	ended := make(chan string, 1)
	if _, err := enqueue(ctx, unit, "replace", ended); err != nil {
		return fmt.Errorf("%s %s: %w", what, unit, err)
	}
	select {
	case result := <-ended:
		if result != "done" {
			return fmt.Errorf("%s %s: systemd says %s: see journalctl --unit %s", what, unit, result, unit)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w: see journalctl --unit %s", what, unit, ctx.Err(), unit)
	}
}
