package daemon

import (
	"context"
	"errors"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/httpapi"
)

// insecure is said wherever somebody looks, where fleet.conf asks for it.
const insecure = "INSECURE: anybody with a certificate may do anything in the store"

// errOpen is why an engine decides nothing.
var errOpen = errors.New("a member of the store runs etcd without --enable-guard, so that anybody with a certificate may do anything in it: " +
	"set ETCD_ENABLE_GUARD=true in /etc/etcd/etcd.env on each member and `systemctl restart etcd`, or insecure=\"true\" in fleet.conf")

// secure closes the store, which only guarded members leave open to themselves.
func (p *parts) secure(ctx context.Context) error {
	guarded, err := p.store.Guarded(ctx)
	if err != nil {
		return err
	}
	if !guarded {
		return errOpen
	}
	return p.store.Secure(ctx)
}

// closedWithin bounds the question whether the store is closed where somebody waits
// for an answer.
const closedWithin = time.Second

// closed is a line of /readyz: why nothing is decided, though the store is there.
func (p *parts) closed(ctx context.Context) error {
	// p.settings is of another goroutine.
	if s := p.config.Settings; !s.Member || s.Insecure || !s.HasTLS() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closedWithin)
	defer cancel()
	if guarded, err := p.store.Guarded(ctx); err != nil || guarded {
		return nil // that the store is away is another line
	}
	return errOpen
}

// remarks are what /readyz says besides.
func (p *parts) remarks() []string {
	if p.settings.Insecure {
		return []string{insecure}
	}
	return nil
}

// explainer tells of a unit also what keeps all units from being decided.
type explainer struct {
	httpapi.Explainer
	closed func(context.Context) error
}

// Why asks the engine first: what is not known is not explained.
func (e explainer) Why(ctx context.Context, unit cluster.UnitName) (schedule.Explanation, error) {
	told, err := e.Explainer.Why(ctx, unit)
	if err != nil {
		return told, err
	}
	if open := e.closed(ctx); open != nil {
		told.Held = open.Error()
	}
	return told, nil
}
