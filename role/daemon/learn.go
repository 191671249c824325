package daemon

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"argosy/core/access"
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
	storeUnit = "etcd.service"
)

// learner keeps a machine told of the store's members and of the authorities.
type learner struct {
	*parts
	folder authority.Folder
	renew  chan struct{} // has the certificates looked at
	again  chan struct{} // has it ask at once
	turned int64         // the word at which etcd was last started anew
}

// learnt is what there was to learn. What is of the store's peers is told to members
// alone, as are keys.
type learnt struct {
	api.Cluster
	key, peersKey []byte // of the authorities that sign
	peers         string // the bundle of the peers' authorities
	turn          int64  // the revision of the word that etcd here may start anew; 0 without
}

// look has it ask at once.
func (l *learner) look() { ring(l.again) }

// ring is heard once, however often it rings before.
func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// learn asks until ctx ends.
func (l *learner) learn(ctx context.Context) error {
	members := l.settings.EtcdServers
	for {
		now, changed, err := l.ask(ctx)
		wait := learnEvery/2 + rand.N(learnEvery)
		if err != nil {
			l.log.Debug("what the cluster is reached by is not known now", "error", err)
		} else {
			if len(now.Members) > 0 && !same(now.Members, members) {
				members = now.Members
				l.remember(ctx, members)
			}
			if l.takeUp(ctx, now) {
				wait = learnSoon/2 + rand.N(learnSoon)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-l.again:
		case <-time.After(wait):
		}
	}
}

// ask asks the store, or a member where this machine is none. On a member changed is
// closed when there may be something else.
func (l *learner) ask(ctx context.Context) (now learnt, changed <-chan struct{}, err error) {
	if l.known == nil {
		now.Cluster, err = l.asker.Cluster(ctx)
		return now, nil, err
	}
	register, changed, err := l.known.Register()
	if err != nil {
		return now, changed, err
	}
	all := register.Authorities
	now.peers = all.Peers.Bundle
	if all.Turn == l.on.facts.ID {
		now.turn = all.Revision
	}
	keys := sealing.File(l.on.secretsKey)
	if now.key, err = opened(keys, all.Succession); err != nil {
		return now, changed, err
	}
	if now.peersKey, err = opened(keys, all.Peers); err != nil {
		return now, changed, err
	}
	now.Cluster, err = l.cluster(ctx)
	return now, changed, err
}

// opened is the key of an authority that took another's place.
func opened(keys sealing.File, s access.Succession) ([]byte, error) {
	if s.Key == "" {
		return nil, nil
	}
	return keys.OpenKey(s.Key)
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
func (l *learner) takeUp(ctx context.Context, now learnt) (busy bool) {
	busy = l.takeUpPeers(ctx, now)
	if now.Authorities == "" {
		return busy
	}
	done, changed, err := l.folder.TakeUp([]byte(now.Authorities), now.key)
	if err != nil {
		l.log.Warn("the cluster's authorities are not taken up", "error", err)
		return busy
	}
	ring(l.renew)
	if changed {
		l.log.Info("other authorities are trusted now: starting anew with them", "file", l.folder.BundleFile())
		if err := (systemd.Services{}).Restart(ctx, ownUnit); err != nil && ctx.Err() == nil {
			l.log.Warn("this process goes on with the authorities of its start", "error", err)
		}
	}
	all, err := authority.Authorities([]byte(now.Authorities))
	return busy || err == nil && (!done || all[len(all)-1].From.After(all[0].From)) // the newest does not sign yet
}

// takeUpPeers goes by other authorities of the store's peers. etcd shows another
// certificate as soon as there is one, but trusts those of its start: it starts anew
// when that is this member's turn.
func (l *learner) takeUpPeers(ctx context.Context, now learnt) (busy bool) {
	if now.peers == "" || !l.folder.Signs() {
		return false
	}
	done, _, err := l.folder.TakeUpPeers([]byte(now.peers), now.peersKey)
	if err != nil {
		l.log.Warn("the authorities of the store's peers are not taken up", "error", err)
		return false
	}
	ring(l.renew)
	if !done || now.turn == 0 || now.turn == l.turned {
		return !done
	}
	at := "https://" + net.JoinHostPort(l.address, access.PeerPort) + "/version"
	port, err := l.folder.Look(ctx, authority.PeerName, http.MethodGet, at, now.peers)
	if err != nil {
		l.log.Debug("which authorities etcd goes by is not known now", "error", err)
		return true
	}
	if trusts, err := port.Trusts(now.peers); trusts || err != nil {
		return false
	}
	l.turned = now.turn // whatever comes of it: once
	l.log.Info("other authorities of the store's peers are trusted now: etcd starts anew with them")
	if err := (systemd.Services{}).Restart(ctx, storeUnit); err != nil && ctx.Err() == nil {
		l.log.Warn("etcd goes on with the authorities of its start", "error", err)
	}
	return true
}

// same says whether two lists hold the same, in whatever order.
func same(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
