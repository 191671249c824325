package daemon

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

const (
	// pulse is how often systemd is told how fleetd fares, where that is news.
	pulse = 2 * time.Second
	// patience is how long the agent may take to answer before it counts as hung.
	patience = 5 * time.Second
)

// attend does what signals ask for, and tells systemd how fleetd fares and that
// it lives (sd_watchdog_enabled(3)), as long as the agent answers.
func (p *parts) attend(ctx context.Context, signals <-chan os.Signal) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read systemd's watchdog setting: %w", err)
	}
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	var told string
	var fed time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				p.reload(time.Now())
			case syscall.SIGUSR1:
				p.writeState(ctx)
			}
			continue
		case <-tick.C:
		}
		status, alive := p.status(ctx)
		if status != told {
			told = status
			p.on.notify("STATUS=" + status)
		}
		if alive && every > 0 && time.Since(fed) >= every/3 {
			fed = time.Now()
			p.on.notify(daemon.SdNotifyWatchdog)
		}
	}
}

// status is the line of `systemctl status fleet`, and whether the agent answers.
func (p *parts) status(ctx context.Context) (line string, alive bool) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	has, err := p.agent.Snapshot(bounded, 0)
	switch trouble := p.agent.Health().Trouble; {
	case err != nil:
		return "The agent does not answer.", false
	case trouble != "":
		line = "Not in touch with the cluster: " + trouble + "."
	case !p.agent.Admitted():
		line = "Starting: the store has not answered yet."
	default:
		line = fmt.Sprintf("%s at %s: %d units, %d failed%s.", p.on.facts.Name, p.address, has.Units, has.Failed, p.rank())
	}
	if p.settings.Insecure {
		line += " " + insecure + "."
	}
	if p.fault != "" {
		line += " The last reload changed nothing: " + p.fault
	}
	return line, true
}

// rank is what this machine is to the cluster, as part of a line.
func (p *parts) rank() string {
	switch {
	case p.registry == nil:
		return "; worker"
	case p.settings.DisableEngine:
		return "; member, engine disabled"
	case p.engine.Status().Leads():
		return "; member, leading"
	}
	return "; member, standing by"
}
