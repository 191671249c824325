package etcdnode

import (
	"errors"
	"path/filepath"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// What to do where the cluster has all its members.
const (
	FallbackProxy = "proxy"
	FallbackExit  = "exit"
)

// Discovery is etcd 2's: flags that etcd itself has no more since 3.6. Whoever
// carries it out tells with Found what came of it, before Run.
type Discovery struct {
	URL      string `yaml:"discovery"`
	Proxy    string `yaml:"discovery-proxy"`
	Fallback string `yaml:"discovery-fallback"`
}

func (d *Discovery) setFallback(word string) error {
	switch word {
	case "", FallbackProxy, FallbackExit:
		d.Fallback = word
		return nil
	}
	return errors.New("it is proxy or exit")
}

// check finds contradictions, and fills in the default.
func (d *Discovery) check(config *embed.Config) error {
	if d.Fallback == "" {
		d.Fallback = FallbackProxy
	}
	other := config.FlagsExplicitlySet["initial-cluster"] || config.DNSCluster != "" || len(config.DiscoveryCfg.Endpoints) > 0
	if d.URL != "" && other {
		return errors.New("choose one of initial-cluster, discovery, discovery-endpoints and discovery-srv")
	}
	return nil
}

// Registration is how this member registers with its discovery URL, under which
// ID it is going to be known to etcd, and as what.
func (s *Settings) Registration() (id, urls string) {
	own := types.URLs(s.Etcd.AdvertisePeerUrls)
	member := membership.NewMember(s.Etcd.Name, own, s.Discovery.URL, nil)
	return member.ID.String(), types.URLsMap{s.Etcd.Name: own}.String()
}

// Found sets the cluster that discovery found.
func (s *Settings) Found(cluster string) {
	s.Etcd.InitialCluster = cluster
	s.Etcd.InitialClusterToken = s.Discovery.URL
	s.Etcd.ClusterState = embed.ClusterStateFlagNew
}

// Initialized tells whether this member has been part of a cluster, and where
// that is written down.
func (s *Settings) Initialized() (log string, is bool) {
	log = s.Etcd.WalDir
	if log == "" {
		log = filepath.Join(s.Etcd.Dir, "member", "wal")
	}
	return log, wal.Exist(log)
}
