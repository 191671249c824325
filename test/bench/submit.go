package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

const (
	submits = 200
	service = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
)

// submit is the time from the PUT of one unit to the watch's word that systemd
// has it active, one after the other.
func (l *lab) submit(ctx context.Context) error {
	took, err := l.submitSome(ctx, "submit", submits)
	if err != nil {
		return err
	}
	slices.Sort(took)
	l.add("submit to active, plain unit, p50", "30 ms", "%.1f ms", ms(took[len(took)/2]))
	l.add("submit to active, plain unit, p99", "150 ms", "%.1f ms", ms(took[len(took)*99/100]))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

var errActive = errors.New("active")

func (l *lab) toActive(ctx context.Context, name cluster.UnitName) (time.Duration, error) {
	text := service
	began := time.Now()
	if _, err := l.api.SetUnit(ctx, name, api.UnitChange{Text: &text, Desired: cluster.Launched}); err != nil {
		return 0, err
	}
	err := l.api.Watch(ctx, []cluster.UnitName{name}, func(line api.WatchLine) error {
		switch {
		case line.Unit == nil || line.Unit.Outcome == api.OutcomeWorking:
			return nil
		case line.Unit.Outcome == api.OutcomeActive:
			return errActive
		default:
			return fmt.Errorf("%s is %s: %s", name, line.Unit.Outcome, line.Unit.Reason)
		}
	})
	if !errors.Is(err, errActive) {
		return 0, fmt.Errorf("watch %s: %w", name, err)
	}
	return time.Since(began), nil
}

// burst starts many units at once with fleetctl: over three machines, and on one
// beside systemd's own rate there.
func (l *lab) burst(ctx context.Context) error {
	if _, err := l.shell(ctx, "core-01", "printf '"+strings.ReplaceAll(service, "\n", `\n`)+"' > burst@.service"); err != nil {
		return err
	}
	for _, n := range []int{1, 10, 100, 500} {
		units := fmt.Sprintf("burst@{1..%d}", n)
		began := time.Now()
		if _, err := l.shell(ctx, "core-01", "fleetctl start "+units+" >/dev/null"); err != nil {
			return err
		}
		took := time.Since(began)
		l.add(fmt.Sprintf("fleetctl start of %d units, three machines", n), "-", "%.2f s, %.0f/s", took.Seconds(), float64(n)/took.Seconds())
		if _, err := l.shell(ctx, "core-01", "fleetctl destroy "+units+" >/dev/null"); err != nil {
			return err
		}
	}
	return l.againstSystemd(ctx)
}

// againstSystemd starts 500 units on one machine with systemctl, then with fleet.
func (l *lab) againstSystemd(ctx context.Context) error {
	const n = 500
	bare, err := l.shell(ctx, "core-02", fmt.Sprintf(`sudo sh -c 'cd /run/systemd/system; printf "[Service]\nExecStart=/usr/bin/sleep infinity\n" >bare@.service
s=$(date +%%s%%N); systemctl start $(seq -f bare@%%g.service 1 %d); e=$(date +%%s%%N); echo $(((e-s)/1000000))
systemctl stop "bare@*"; rm bare@.service'`, n))
	if err != nil {
		return err
	}
	var bareMS float64
	if _, err := fmt.Sscan(bare, &bareMS); err != nil {
		return fmt.Errorf("systemctl's time %q: %w", bare, err)
	}
	id, err := l.shell(ctx, "core-02", "cat /etc/machine-id")
	if err != nil {
		return err
	}
	text := service + "\n[X-Fleet]\nMachineID=" + strings.TrimSpace(id) + "\n"
	if _, err := l.shell(ctx, "core-01", "printf '"+strings.ReplaceAll(text, "\n", `\n`)+"' > one@.service"); err != nil {
		return err
	}
	began := time.Now()
	if _, err := l.shell(ctx, "core-01", fmt.Sprintf("fleetctl start one@{1..%d} >/dev/null", n)); err != nil {
		return err
	}
	fleetMS := ms(time.Since(began))
	_, err = l.shell(ctx, "core-01", fmt.Sprintf("fleetctl destroy one@{1..%d} >/dev/null", n))
	l.add(fmt.Sprintf("%d units on one machine, rate against systemctl's", n), "80%", "%.0f%% (%.0f/s of %.0f/s)",
		100*bareMS/fleetMS, n/fleetMS*1000, n/bareMS*1000)
	return err
}
