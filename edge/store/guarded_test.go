package store

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/etcdnode"
)

// closed is a store as a cluster has it: a guarded member, with etcd's auth on.
type closed struct {
	*testing.T
	authority *authority.Authority
	dir       string // of certificates
	endpoints []string
	root      *Store
}

func openClosed(t *testing.T) closed {
	t.Helper()
	c := closed{T: t, dir: t.TempDir()}
	var err error
	if c.authority, err = authority.Create(c.dir); err != nil {
		t.Fatal(err)
	}
	member := access.Identity{Kind: access.Member, Name: string(machineNumber(0xffff))}
	c.issue("member", member, "127.0.0.1")
	config, err := authority.LoadServer(c.file("ca.crt"), c.file("member.crt"), c.file("member.key"))
	if err != nil {
		t.Fatal(err)
	}
	c.endpoints = []string{"https://" + c.run(&etcdnode.Guard{TLS: config, IdentityOf: authority.IdentityOf, Report: func(err error) { t.Log(err) }})}
	c.root = c.as(member)
	if err := c.root.Secure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a member until the test ends, and returns its address.
func (c closed) run(guard *etcdnode.Guard) string {
	c.Helper()
	etcd := embed.NewConfig()
	etcd.Dir = c.TempDir()
	etcd.UnsafeNoFsync = true
	etcd.TickMs, etcd.ElectionMs = 10, 100
	here := []url.URL{{Scheme: "https", Host: "127.0.0.1:0"}}
	etcd.ListenClientUrls, etcd.AdvertiseClientUrls, etcd.ListenPeerUrls = here, here, nil
	etcd.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	joined, ended := make(chan etcdnode.Member, 1), make(chan error, 1)
	go func() {
		ended <- etcdnode.Run(ctx, etcdnode.Config{Etcd: etcd, Guard: guard,
			Beside: func(ctx context.Context, member etcdnode.Member) { joined <- member; <-ctx.Done() }})
	}()
	c.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			c.Error(err)
		}
	})
	select {
	case member := <-joined:
		return member.Addresses[0].String()
	case err := <-ended:
		ended <- nil
		c.Fatalf("it ended: %v", err)
	}
	return ""
}

func (c closed) file(name string) string { return filepath.Join(c.dir, name) }

func (c closed) issue(name string, who access.Identity, hosts ...string) {
	c.Helper()
	certificate, key, err := c.authority.Issue(who, hosts)
	err = errors.Join(err, os.WriteFile(c.file(name+".crt"), certificate, 0o600), os.WriteFile(c.file(name+".key"), key, 0o600))
	if err != nil {
		c.Fatal(err)
	}
}

// as is the connection of a machine.
func (c closed) as(who access.Identity) *Store {
	c.Helper()
	c.issue(who.Name, who, "127.0.0.1")
	config, err := authority.LoadClient(c.file("ca.crt"), c.file(who.Name+".crt"), c.file(who.Name+".key"))
	if err != nil {
		c.Fatal(err)
	}
	return open(c.T, Config{Endpoints: c.endpoints, TLS: config, Machine: who.Machine()})
}

func (c closed) worker(id cluster.MachineID) *Store {
	c.Helper()
	return c.as(access.Identity{Kind: access.Worker, Name: string(id)})
}
