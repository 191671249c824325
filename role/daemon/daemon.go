// Package daemon wires fleetd: it makes the agent, the API and, on members, the
// registry and the engine out of their edges, runs them together, does what
// signals ask for, and ends them in the way that systemd asked for.
package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"argosy/edge/fleetconf"
)

// Config is what fleetd is given.
type Config struct {
	Settings fleetconf.Config
	// Load reads the settings anew, with remarks on them.
	Load    func() (fleetconf.Config, []string, error)
	Version string
	Log     *slog.Logger
	Level   *slog.LevelVar // of Log, as verbosity= says
	State   io.Writer      // where SIGUSR1 writes
}

// leaveTime bounds the leaving of the cluster: most of what fleet.service gives
// fleetd for its stop (TimeoutStopSec=), so that the rest is left for its end.
const leaveTime = 110 * time.Second

// Run is fleetd's life: until ctx ends (SIGTERM), or until a part breaks.
func Run(ctx context.Context, config Config) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	on, err := thisMachine(ctx, config.Settings, config.Log)
	if err != nil {
		return err
	}
	return run(ctx, config, on, signals)
}

func run(ctx context.Context, config Config, on machine, signals <-chan os.Signal) error {
	p, err := assemble(config, on)
	if err != nil {
		return err
	}
	defer p.close()
	listeners, err := p.listen()
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
	group.Go(func() error { return p.attend(work, signals) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			p.end(context.WithoutCancel(ctx))
		case <-work.Done():
		}
		stop()
		return nil
	})
	p.on.notify("READY=1")
	p.log.Info("fleetd is up", "machine", on.facts.ID, "name", on.facts.Name, "address", p.address, "member", config.Settings.Member)
	return group.Wait()
}

// end does what the end of this process is for: a stop, also at shutdown, has
// the machine leave the cluster; for anything else its units stay as they are.
func (p *parts) end(ctx context.Context) {
	p.on.notify("STOPPING=1")
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	job, err := p.on.systemd.JobType(ctx, os.Getpid())
	switch {
	case err != nil:
		p.log.Warn("why fleetd ends is not known; units stay as they are", "error", err)
	case job != "stop":
		p.log.Info("units stay as they are", "job", job)
	default:
		p.log.Info("leaving the cluster: units stop here and run elsewhere")
		p.on.notify("STATUS=Leaving the cluster: units stop here and run elsewhere.")
		if err := p.agent.Leave(ctx); err != nil {
			p.log.Warn("not left the cluster", "error", err)
			return
		}
		p.log.Info("left the cluster")
	}
}

// close ends the connections that outlive the loops.
func (p *parts) close() {
	if err := p.store.Close(); err != nil {
		p.log.Warn("close", "error", err)
	}
	if p.asker != nil {
		p.asker.Close()
	}
	if p.on.echoes == nil {
		return
	}
	if err := p.on.echoes.Close(); err != nil {
		p.log.Warn("close", "error", err)
	}
}
