package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/fleetconf"
	"argosy/edge/join"
	"argosy/edge/store"
	"argosy/role/registrar"
)

// certify has this machine's certificates renewed, and on a member with the
// authorities' keys gives others theirs. Certificates that fleet.conf names elsewhere
// than in a folder of ours are somebody else's to renew.
func (p *parts) certify() error {
	folder, ours := ownFolder(p.settings)
	if !ours {
		return nil
	}
	again := make(chan struct{}, 1)
	learns := &learner{parts: p, folder: folder, renew: again, again: make(chan struct{}, 1)}
	p.loops["cluster"], p.lookAgain = learns.learn, learns.look
	ask, err := membersToAsk(p.settings, folder)
	if err != nil {
		return err
	}
	keeper := &registrar.Keeper{Wallet: folder, Ask: ask, Draw: rand.Float64(), Again: again, Log: p.log}
	p.loops["certificates"] = keeper.Run
	if !p.settings.Member || !folder.Signs() {
		return nil
	}
	office := &registrar.Office{Register: p.store, Members: membership{p.store}, Desk: folder, Now: time.Now, Log: p.log, Refused: p.audit.NotLetIn}
	p.loops["joining"] = func(ctx context.Context) error { return p.letJoin(ctx, folder, office) }
	return nil
}

// ownFolder is where this machine's certificates are, if they are ours to see to.
func ownFolder(config fleetconf.Config) (folder authority.Folder, ours bool) {
	folder = authority.Folder(filepath.Dir(config.EtcdCertFile))
	return folder, config.HasTLS() && config.EtcdCertFile == folder.CertificateFile(authority.MachineName)
}

// door is where people log in, and the authority that they know the cluster by.
func (p *parts) door() (at, pin string, err error) {
	folder, ours := ownFolder(p.settings)
	if !ours || !folder.Signs() {
		return "", "", errors.New("this member lets nobody join: its certificates are none that `argosy init` or `argosy join` made")
	}
	signs, err := folder.Authority()
	if err != nil {
		return "", "", err
	}
	return p.joinAddress(), signs.Pin(), nil
}

// joinAddress is where those are let in who have no certificate yet.
func (p *parts) joinAddress() string {
	at, port, _ := net.SplitHostPort(p.settings.JoinAddress) // checked by fleetconf
	if at == "" {
		at = p.address
	}
	return net.JoinHostPort(at, port)
}

// letJoin serves those who have no certificate yet.
func (p *parts) letJoin(ctx context.Context, folder authority.Folder, office join.Office) error {
	secrets, err := authority.LoadJoin(folder.BundleFile(), folder.CertificateFile(authority.MachineName), folder.KeyFile(authority.MachineName))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", p.joinAddress())
	if err != nil {
		return fmt.Errorf("listen for those who join: %w", err)
	}
	return join.Serve(ctx, listener, secrets, office)
}

// membersToAsk asks the members, one after the other, for a certificate in place of
// one of this machine's. It shows none: the one that it has may have ended.
func membersToAsk(config fleetconf.Config, folder authority.Folder) (func(context.Context, access.Renewal) (access.Answer, error), error) {
	_, port, err := net.SplitHostPort(config.JoinAddress)
	if err != nil {
		return nil, fmt.Errorf("join_address: %w", err)
	}
	var at []string
	for _, server := range config.EtcdServers {
		place, err := url.Parse(server)
		if err != nil {
			return nil, fmt.Errorf("etcd_servers: %w", err)
		}
		at = append(at, net.JoinHostPort(place.Hostname(), port))
	}
	return func(ctx context.Context, renewal access.Renewal) (access.Answer, error) {
		secrets, err := authority.LoadClient(folder.BundleFile(), "", "")
		if err != nil {
			return access.Answer{}, err
		}
		var faults []error
		for _, one := range at {
			answer, err := join.Renew(ctx, one, authority.ByMember(secrets), renewal)
			if err == nil || errors.Is(err, access.ErrRefused) {
				return answer, err
			}
			faults = append(faults, err)
		}
		return access.Answer{}, errors.Join(faults...)
	}, nil
}

// membership is the store's own, in the office's words.
type membership struct{ *store.Store }

func (m membership) Add(ctx context.Context, name, peerURL string) (id uint64, initialCluster string, err error) {
	joined, err := m.AddMember(ctx, name, peerURL)
	return joined.ID, joined.InitialCluster, err
}

func (m membership) Remove(ctx context.Context, id uint64) error { return m.RemoveMember(ctx, id) }
