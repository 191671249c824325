package daemon

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"argosy/edge/fleetconf"
)

// reload reads the configuration anew. What can change while fleetd runs does;
// what cannot is named and waits for a restart. A bad configuration changes
// nothing. Listeners and units stay as they are.
func (p *parts) reload(now time.Time) {
	p.on.notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic()))
	defer p.on.notify("READY=1")
	next, notes, err := p.config.Load()
	for _, note := range notes {
		p.log.Warn("configuration", "note", note)
	}
	if err != nil {
		faults := strings.Split(err.Error(), "\n")
		for _, fault := range faults {
			p.log.Error("configuration not taken over; the old one stands", "fault", fault)
		}
		p.fault = faults[0]
		return
	}
	merged, changed, pending := p.settings.Reload(next)
	p.settings, p.fault = merged, ""
	p.take(merged)
	if len(pending) > 0 {
		p.log.Warn("these options wait for a restart (systemctl restart fleet touches no unit)", "options", strings.Join(pending, ", "))
	}
	p.log.Info("configuration reloaded", "changed", strings.Join(changed, ", "), "took", time.Since(now).Round(time.Millisecond))
}

// take puts into force what can change while fleetd runs.
func (p *parts) take(settings fleetconf.Config) {
	level := slog.LevelInfo
	if settings.Verbosity > 0 {
		level = slog.LevelDebug
	}
	p.config.Level.Set(level)
	p.pageRows.Store(int64(settings.TokenLimit))
	p.agent.Update(settings.Metadata, settings.CapacityOf(p.on.facts.Capacity), settings.AgentTTL)
}

// monotonic is the kernel's CLOCK_MONOTONIC in microseconds, by which systemd
// tells this reload from one before (sd_notify(3)).
func monotonic() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it always is there
	return now.Nano() / 1000
}
