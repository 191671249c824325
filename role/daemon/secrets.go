package daemon

import (
	"context"
	"crypto/tls"
	"errors"

	"argosy/core/cluster"
	"argosy/core/unitfile"
	"argosy/edge/authority"
	"argosy/edge/client"
	"argosy/edge/sealing"
	"argosy/role/registry"
)

// safe is this machine's own part of the disk for secrets.
type safe interface {
	Asks(unit cluster.UnitName) ([]unitfile.Secret, error)
	Give(unit cluster.UnitName, values map[string][]byte, versions cluster.SecretVersions) error
	Given(unit cluster.UnitName) cluster.SecretVersions
}

// secretsHere is where the agent gets secrets, and where it puts them.
type secretsHere struct {
	safe
	*parts
}

// Value asks this member itself, or else a member.
func (s secretsHere) Value(ctx context.Context, unit cluster.UnitName, secret cluster.SecretName) ([]byte, int64, error) {
	switch {
	case s.vault != nil:
		given, err := s.vault.SecretFor(ctx, s.on.facts.ID, unit, secret)
		return given.Value, given.Version, err
	case s.asker != nil:
		given, err := s.asker.SecretFor(ctx, unit, secret)
		return given.Value, given.Version, err
	default:
		return nil, 0, errors.New("this machine has no certificate that members would know it by: set etcd_cafile, etcd_certfile, etcd_keyfile")
	}
}

// openVault makes what a member gives secrets out of.
func (p *parts) openVault() {
	p.vault = registry.NewVault(p.registry, p.store, sealing.File(p.on.secretsKey))
}

// askMembers makes what a machine that is no member gets secrets and texts through,
// and its place in the store. Members alone are asked: nobody else knows any,
// whatever they answer.
func (p *parts) askMembers(secrets *tls.Config) error {
	at, err := members(p.settings)
	if err != nil {
		return err
	}
	var endpoints []string
	for _, member := range at {
		endpoints = append(endpoints, "https://"+member)
	}
	p.asker, err = client.New(client.Config{Endpoints: endpoints, TLS: authority.ByMember(secrets)})
	return err
}
