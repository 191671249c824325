package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// idleTime is how long an idle cluster is watched.
const idleTime = 30 * time.Second

// usage prints, for each daemon of a machine, its CPU ticks (1/100 s) and its
// resident memory in kB.
const usage = `for s in etcd etcd-endpoint fleet; do p=$(systemctl show -P MainPID $s); [ "$p" = 0 ] || sudo sh -c "echo $s \$(cut -d' ' -f14,15 /proc/$p/stat) \$(grep VmRSS /proc/$p/status)"; done`

type load struct{ ticks, kB float64 }

// idle is what each daemon costs while nothing happens.
func (l *lab) idle(ctx context.Context) error {
	before, err := l.loads(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	select {
	case <-time.After(idleTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := l.loads(ctx)
	if err != nil {
		return err
	}
	seconds := time.Since(began).Seconds()
	budgets := map[string]string{"fleet": "agent 0.5% of a core, 40 MB", "etcd": "a whole member 150 MB", "etcd-endpoint": "-"}
	for _, daemon := range []string{"etcd", "etcd-endpoint", "fleet"} {
		// A tick is 1/100 s, so ticks a second are per cent of a core.
		l.add("idle: "+daemon+" on a member of three", budgets[daemon], "%.2f%% of a core, %.0f MB",
			(after[daemon].ticks-before[daemon].ticks)/seconds, after[daemon].kB/1024)
	}
	return nil
}

func (l *lab) loads(ctx context.Context) (map[string]load, error) {
	out, err := l.shell(ctx, "core-02", usage)
	if err != nil {
		return nil, err
	}
	all := map[string]load{}
	for line := range strings.Lines(out) {
		var daemon, label string
		var user, system, kB float64
		if _, err := fmt.Sscan(line, &daemon, &user, &system, &label, &kB); err != nil {
			return nil, fmt.Errorf("read %q: %w", line, err)
		}
		all[daemon] = load{user + system, kB}
	}
	return all, nil
}
