package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/etcdnode"
	"argosy/edge/store"
)

// closedRounds are taken on an open store and on a closed one, in turns.
const closedRounds = 30

// closed is what it costs that nobody gets in unasked: placements on a store with
// TLS, guards and etcd's auth beside the same on one without, while ever more workers
// have joined.
func (l *lab) closed(ctx context.Context) error {
	plain, err := start(ctx, l.dir, 3)
	if err != nil {
		return err
	}
	defer plain.end()
	desk, shut, err := startClosed(ctx, l.dir, len(plain))
	if err != nil {
		return err
	}
	defer shut.end()
	root, err := shut.secure(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	there, err := decide(ctx, plain)
	if err != nil {
		return err
	}
	defer there.close()
	here, err := decide(ctx, shut)
	if err != nil {
		return err
	}
	defer here.close()
	if err := l.compare(ctx, "TLS and guards, auth still off", side{plain, there}, side{shut, here}); err != nil {
		return err
	}
	if err := l.secure(ctx, root); err != nil {
		return err
	}
	joined := 0
	for _, workers := range append([]int{0}, l.workers...) {
		if workers > joined {
			if err := l.join(ctx, shut, desk, root, joined, workers); err != nil {
				return err
			}
			joined = workers
		}
		if err := l.compare(ctx, fmt.Sprintf("%d workers", joined), side{plain, there}, side{shut, here}); err != nil {
			return err
		}
	}
	return nil
}

// secure closes the store, and then does as each term does: it makes sure.
func (l *lab) secure(ctx context.Context, root *store.Store) error {
	if err := root.Secure(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := root.Secure(ctx); err != nil {
		return err
	}
	l.add("making sure, at a term's begin, that a store is closed", "-", "%v", time.Since(began).Round(100*time.Microsecond))
	return nil
}

// side is one of two stores that are compared.
type side struct {
	members
	*placements
}

// compare places the same on both.
func (l *lab) compare(ctx context.Context, when string, plain, shut side) error {
	var open, closed []turn
	var ratios []float64
	for range closedRounds {
		one, err := takeTurn(ctx, plain.members, plain.commit)
		if err != nil {
			return err
		}
		other, err := takeTurn(ctx, shut.members, shut.commit)
		if err != nil {
			return err
		}
		open, closed = append(open, one), append(closed, other)
		ratios = append(ratios, other.took.Seconds()/one.took.Seconds())
	}
	cost := func(t turn) float64 { return float64((t.here + t.there).Microseconds()) / commitUnits }
	l.add("durable placement on a closed store against an open one, "+when+": time more", "15%", "%.0f%%", 100*(median(ratios)-1))
	l.add("  processor time a key, members and leader", "-", "%.1f us (open %.1f us)", mean(each(closed, cost)), mean(each(open, cost)))
	return nil
}

// startClosed runs a new store whose members are guarded and speak TLS alone, and says
// where its authority is.
func startClosed(ctx context.Context, dir string, count int) (authority.Folder, members, error) {
	dir, err := os.MkdirTemp(dir, "closed-")
	if err != nil {
		return "", nil, err
	}
	ca, err := authority.Create(dir)
	if err != nil {
		return "", nil, err
	}
	all := newMembers(count, 100)
	for i, m := range all {
		cert, key, err := ca.Issue(access.Identity{Kind: access.Member, Name: string(machineNumber(i))}, []string{m.host, "127.0.0.1"}) // from where the kernel has it speak
		file := func(kind string) string { return filepath.Join(dir, m.name+kind) }
		if err := errors.Join(err, os.WriteFile(file(".crt"), cert, 0o600), os.WriteFile(file(".key"), key, 0o600)); err != nil {
			return "", nil, err
		}
		bundle := filepath.Join(dir, "ca.crt")
		m.pki = dir
		if m.secrets, err = secretsOf(dir, m.name); err != nil {
			return "", nil, err
		}
		m.environment = []string{"ETCD_ENABLE_GUARD=true", "ETCD_CLIENT_CERT_AUTH=true", "ETCD_PEER_CLIENT_CERT_AUTH=true"}
		for _, side := range []string{"ETCD_", "ETCD_PEER_"} {
			m.environment = append(m.environment, side+"TRUSTED_CA_FILE="+bundle, side+"CERT_FILE="+file(".crt"), side+"KEY_FILE="+file(".key"))
		}
	}
	shut, err := begin(ctx, dir, all)
	return authority.Folder(dir), shut, err
}

// secretsOf is what the clients of a closed store show that go by a member's
// certificate.
func secretsOf(pki, name string) (*tls.Config, error) {
	return authority.LoadClient(filepath.Join(pki, "ca.crt"), filepath.Join(pki, name+".crt"), filepath.Join(pki, name+".key"))
}

// secure has a store of closed members ask who somebody is.
func (ms members) secure(ctx context.Context) (root *store.Store, err error) {
	if root, err = store.Open(store.Config{Endpoints: ms.endpoints(), TLS: ms[0].secrets, Timeout: time.Minute}); err != nil {
		return nil, err
	}
	if err := root.Secure(ctx); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// guardOf is nil for a member that lets everybody in.
func guardOf(settings *etcdnode.Settings) (*etcdnode.Guard, error) {
	if !settings.Guard {
		return nil, nil
	}
	info := settings.Etcd.ClientTLSInfo
	config, err := authority.LoadServer(info.TrustedCAFile, info.CertFile, info.KeyFile)
	if err != nil {
		return nil, err
	}
	report := func(err error) { fmt.Fprintln(os.Stderr, "guard:", err) }
	return &etcdnode.Guard{TLS: config, IdentityOf: authority.IdentityOf, Report: report}, nil
}
