package daemon

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"argosy/core/api"
	"argosy/edge/authority"
	"argosy/edge/host"
	"argosy/edge/sealing"
	"argosy/edge/systemd"
)

const (
	// learnEvery is how often a machine asks what it goes by to reach the cluster, give
	// or take a half, so that those that began together do not ask together.
	learnEvery = 2 * time.Minute
	// learnSoon is how often it asks while an authority is being replaced.
	learnSoon = 5 * time.Second
)

// Units that hang on what a machine learns.
const (
	relayUnit = "etcd-endpoint.service" // reads host.MembersFile
	ownUnit   = "fleet.service"
)

// learner keeps a machine told of the store's members and of the authorities.
type learner struct {
	*parts
	folder authority.Folder
	renew  chan struct{} // has the certificates looked at
}

// learn asks until ctx ends.
func (l *learner) learn(ctx context.Context) error {
	members := l.settings.EtcdServers
	for {
		now, key, changed, err := l.ask(ctx)
		wait := learnEvery/2 + rand.N(learnEvery)
		if err != nil {
			l.log.Debug("what the cluster is reached by is not known now", "error", err)
		} else {
			if len(now.Members) > 0 && !same(now.Members, members) {
				members = now.Members
				l.remember(ctx, members)
			}
			if l.takeUp(ctx, now.Authorities, key) {
				wait = learnSoon/2 + rand.N(learnSoon)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(wait):
		}
	}
}

// ask asks the store, or a member where this machine is none. On a member key is that
// of the authority that signs, and changed is closed when there may be another.
func (l *learner) ask(ctx context.Context) (now api.Cluster, key []byte, changed <-chan struct{}, err error) {
	if l.known == nil {
		now, err = l.asker.Cluster(ctx)
		return now, nil, nil, err
	}
	register, changed, err := l.known.Register()
	if err != nil {
		return now, nil, changed, err
	}
	if register.Authorities.Key != "" {
		if key, err = sealing.File(l.on.secretsKey).OpenKey(register.Authorities.Key); err != nil {
			return now, nil, changed, err
		}
	}
	now, err = l.cluster(ctx)
	return now, key, changed, err
}

// cluster is what a member tells those that ask how to reach the cluster.
func (p *parts) cluster(ctx context.Context) (api.Cluster, error) {
	register, _, err := p.known.Register()
	if err != nil {
		return api.Cluster{}, err
	}
	members, err := p.store.Members(ctx)
	if err != nil {
		return api.Cluster{}, err
	}
	policy, err := p.store.Policy(ctx)
	return api.Cluster{Members: members, Authorities: register.Authorities.Bundle, Policy: policy}, err
}

// remember has this machine reach the store through these members, also after its
// next start, and its relay too.
func (l *learner) remember(ctx context.Context, members []string) {
	l.log.Info("the store's members have changed", "members", members)
	l.nearBy(members)
	l.store.UseMembers(members)
	err := host.WriteMembers(host.MembersFile, members)
	if err == nil {
		err = systemd.Services{}.Reload(ctx, relayUnit)
	}
	if err != nil {
		l.log.Warn("the store's members are not remembered", "error", err)
	}
}

// takeUp goes by other authorities, and says whether more is to come soon.
// Connections that this process makes trust those of its start, so it starts anew,
// which no unit notices.
func (l *learner) takeUp(ctx context.Context, bundle string, key []byte) (busy bool) {
	if bundle == "" {
		return false
	}
	done, changed, err := l.folder.TakeUp([]byte(bundle), key)
	if err != nil {
		l.log.Warn("the cluster's authorities are not taken up", "error", err)
		return false
	}
	select {
	case l.renew <- struct{}{}:
	default: // it is about to look
	}
	if changed {
		l.log.Info("other authorities are trusted now: starting anew with them", "file", l.folder.BundleFile())
		if err := (systemd.Services{}).Restart(ctx, ownUnit); err != nil && ctx.Err() == nil {
			l.log.Warn("this process goes on with the authorities of its start", "error", err)
		}
	}
	all, err := authority.Authorities([]byte(bundle))
	return err == nil && (!done || all[len(all)-1].From.After(all[0].From)) // the newest does not sign yet
}

// same says whether two lists hold the same, in whatever order.
func same(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
