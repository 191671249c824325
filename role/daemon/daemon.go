// Package daemon wires fleetd: it makes the agent, the API and, on members, the
// registry and the engine out of their edges, runs them together, and ends them
// in the way that systemd asked for.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"argosy/edge/fleetconf"
)

// leaveTime bounds the leaving of the cluster: most of what fleet.service gives
// fleetd for its stop (TimeoutStopSec=), so that the rest is left for its end.
const leaveTime = 110 * time.Second

// Run is fleetd's life: until ctx ends (SIGTERM), or until a part breaks.
func Run(ctx context.Context, config fleetconf.Config, version string, log *slog.Logger) error {
	p, err := assemble(config, version, log)
	if err != nil {
		return err
	}
	defer p.close()
	listeners, err := p.listen(config)
	if err != nil {
		return err
	}

	// The parts outlive ctx: leaving the cluster needs them all.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, work := errgroup.WithContext(work)
	for name, run := range p.loops {
		group.Go(func() error {
			if err := run(work); err != nil && work.Err() == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	group.Go(func() error { return p.api.Serve(work, listeners...) })
	group.Go(func() error { return p.watchdog(work) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			p.end(context.WithoutCancel(ctx))
		case <-work.Done():
		}
		stop()
		return nil
	})
	notify(daemon.SdNotifyReady)
	log.Info("fleetd is up", "machine", p.facts.ID, "name", p.facts.Name, "address", p.address, "member", config.Member)
	return group.Wait()
}

// end does what the end of this process is for: a stop, also at shutdown, has
// the machine leave the cluster; for anything else its units stay as they are.
func (p *parts) end(ctx context.Context) {
	notify(daemon.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	job, err := p.systemd.JobType(ctx, os.Getpid())
	switch {
	case err != nil:
		p.log.Warn("why fleetd ends is not known; units stay as they are", "error", err)
	case job != "stop":
		p.log.Info("units stay as they are", "job", job)
	default:
		p.log.Info("leaving the cluster: units stop here and run elsewhere")
		if err := p.agent.Leave(ctx); err != nil {
			p.log.Warn("not left the cluster", "error", err)
			return
		}
		p.log.Info("left the cluster")
	}
}

// watchdog tells systemd that fleetd lives (sd_watchdog_enabled(3)), as long as
// its parts answer.
func (p *parts) watchdog(ctx context.Context) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read systemd's watchdog setting: %w", err)
	}
	if every == 0 {
		return nil
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.agent.Health() // waits for the agent's lock: a part that hangs with it misses the watchdog
			notify(daemon.SdNotifyWatchdog)
		}
	}
}

// notify says something to systemd, if it is there. A lost word costs at most a
// restart, and systemd says so.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// close ends the connections that outlive the loops.
func (p *parts) close() {
	if err := errors.Join(p.store.Close()); err != nil {
		p.log.Warn("close", "error", err)
	}
}
