package registrar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"argosy/core/access"
)

// Wallet holds a machine's certificates.
type Wallet interface {
	// Due lists those that are to be renewed by now, and when the next one is.
	Due(now time.Time, draw float64) (due []string, next time.Time, err error)
	Signs() bool // whether this machine signs them itself
	RenewOwn(name string) error
	Renewal(name string) (access.Renewal, error)
	Replace(name string, certificate []byte) error
}

// Keeper renews a machine's certificates before they end, also after.
type Keeper struct {
	Wallet Wallet
	// Ask has a member renew a certificate.
	Ask  func(ctx context.Context, renewal access.Renewal) (access.Answer, error)
	Draw float64 // see access.RenewAt
	// Again has it look at once: an authority was replaced. It may be nil.
	Again <-chan struct{}
	Log   *slog.Logger
}

const (
	// soonest is the pause after a renewal that did not work, and doubles up to
	// latest.
	soonest = time.Second
	latest  = 5 * time.Minute
)

// Run renews until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	pause := soonest
	for {
		next, err := k.renewDue(ctx, time.Now())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := time.Until(next)
		if err != nil {
			k.Log.Warn("certificates were not renewed", "again in", pause, "error", err)
			wait, pause = pause, min(2*pause, latest)
		} else {
			pause = soonest
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-k.Again:
		case <-time.After(wait):
		}
	}
}

// farAway is when to look again where nothing says when.
const farAway = time.Hour

// renewDue renews what is due and says when to look again.
func (k *Keeper) renewDue(ctx context.Context, now time.Time) (time.Time, error) {
	due, next, err := k.Wallet.Due(now, k.Draw)
	faults := []error{err}
	for _, name := range due {
		if err := k.renew(ctx, name); err != nil {
			faults = append(faults, fmt.Errorf("renew the certificate %s: %w", name, err))
			continue
		}
		k.Log.Info("certificate renewed", "certificate", name)
	}
	if len(due) > 0 {
		due, next, err = k.Wallet.Due(now, k.Draw)
		faults = append(faults, err)
	}
	if len(due) > 0 && errors.Join(faults...) == nil {
		faults = append(faults, fmt.Errorf("%s: who signs has been replaced, and whoever was asked does not know it yet", strings.Join(due, ", ")))
	}
	if next.IsZero() || next.After(now.Add(farAway)) {
		next = now.Add(farAway) // a clock may be set, and files be replaced
	}
	return next, errors.Join(faults...)
}

func (k *Keeper) renew(ctx context.Context, name string) error {
	if k.Wallet.Signs() {
		return k.Wallet.RenewOwn(name)
	}
	renewal, err := k.Wallet.Renewal(name)
	if err != nil {
		return err
	}
	answer, err := k.Ask(ctx, renewal)
	if err != nil {
		return err
	}
	return k.Wallet.Replace(name, []byte(answer.Certificates.Own))
}
