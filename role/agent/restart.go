package agent

import (
	"context"
	"fmt"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/role/runtime"
)

// Restart has systemd restart a unit that the cluster has put on this machine, as
// `systemctl restart` does, and waits until it runs again. Nothing is decided by
// it: the placement stays, and so does the record of its start. It is given its
// secrets as they are now. What systemd has counted for StartLimitBurst= is forgotten:
// that bounds systemd's own restarts, and not the way back from one that went wrong. The
// job goes on if ctx ends. Other units of the machine are cluster.ErrNotFound.
func (a *Agent) Restart(ctx context.Context, by string, unit cluster.UnitName) error {
	if err := a.Owns(unit); err != nil {
		return fmt.Errorf("restart %w", err)
	}
	a.log.Info("restart", "unit", unit, "by", by)
	if err := a.permitAgain(ctx, unit); err != nil {
		return fmt.Errorf("on %s: %w", a.config.Machine.Name, err)
	}
	if err := a.giveAgain(ctx, unit); err != nil {
		return fmt.Errorf("on %s: %w", a.config.Machine.Name, err)
	}
	if err := a.systemd.ResetFailed(ctx, unit); err != nil {
		return fmt.Errorf("on %s: %w", a.config.Machine.Name, err)
	}
	ended := runtime.NewMailbox[converge.Outcome](a.on, a.on.NewBell(), 1)
	if err := a.systemd.Enqueue(ctx, converge.RestartJob, unit, func(o converge.Outcome) { ended.Offer(o) }); err != nil {
		return fmt.Errorf("on %s: %w", a.config.Machine.Name, err)
	}
	outcome, err := ended.Receive(ctx)
	switch {
	case err != nil:
		return err
	case outcome.Result == "":
		return fmt.Errorf("on %s: restart %s: %w", a.config.Machine.Name, unit, errLost)
	}
	return a.restarted(outcome)
}

// Owns is nil for a unit that the cluster has put on this machine, and else
// cluster.ErrNotFound.
func (a *Agent) Owns(unit cluster.UnitName) error {
	files, err := a.disk.List()
	if err != nil {
		return fmt.Errorf("%s on %s: %w", unit, a.config.Machine.Name, err)
	}
	if _, ours := files[unit]; !ours {
		return fmt.Errorf("%s on %s: a unit of the cluster: %w", unit, a.config.Machine.Name, cluster.ErrNotFound)
	}
	return nil
}

// restarted says what is wrong with a restart's end.
func (a *Agent) restarted(o converge.Outcome) error {
	status := o.Status
	well := status.Result == "" || status.Result == "success"
	switch status.Active {
	case "active", "reloading", "refreshing":
	default:
		well = well && status.Active == "inactive"
	}
	if o.Result == "done" && well {
		return nil
	}
	said := api.Said(cluster.UnitState{Active: status.Active, Sub: status.Sub, Result: status.Result})
	if o.Result != "done" {
		said = fmt.Sprintf("its job ended as %s: %s", o.Result, said)
	}
	return fmt.Errorf("on %s: %s", a.config.Machine.Name, said)
}
