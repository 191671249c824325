package daemon

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"argosy/edge/host"
	"argosy/edge/systemd"
)

// learnEvery is how often a machine asks who the store's members are, give or take
// a half, so that those that began together do not ask together.
const learnEvery = 2 * time.Minute

// relay is the unit that reads host.MembersFile beside fleetd.
const relay = "etcd-endpoint.service"

// learn keeps this machine told of the store's members: those that have joined since
// its configuration was written, and not those that have gone.
func (p *parts) learn(ctx context.Context) error {
	known := p.settings.EtcdServers
	for {
		if now, err := p.store.Members(ctx); err != nil {
			p.log.Debug("who the store's members are is not known now", "error", err)
		} else if len(now) > 0 && !same(now, known) {
			known = now
			p.log.Info("the store's members have changed", "members", now)
			p.store.UseMembers(now)
			if err := p.remember(ctx, now); err != nil {
				p.log.Warn("the store's members are not remembered", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(learnEvery/2 + rand.N(learnEvery)):
		}
	}
}

// remember keeps the members for the next start, and tells the relay.
func (p *parts) remember(ctx context.Context, members []string) error {
	if err := host.WriteMembers(host.MembersFile, members); err != nil {
		return err
	}
	return systemd.Services{}.Reload(ctx, relay)
}

// same says whether two lists hold the same, in whatever order.
func same(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
