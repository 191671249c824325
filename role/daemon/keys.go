package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"argosy/core/cluster"
	"argosy/edge/authority"
	"argosy/edge/client"
	"argosy/edge/sealing"
	"argosy/role/registry"
)

// keysHere are this member's keys for secrets, as other members have them.
type keysHere struct {
	sealing.File
	log *slog.Logger
}

func (k keysHere) Give(to cluster.MachineID, id string) (string, error) {
	line, err := k.Line(id)
	if err == nil {
		k.log.Info("a key for secrets was given to another member", "key", id, "machine", to)
	}
	return line, err
}

// keepKeys has this member follow which keys secrets are sealed with. One whose
// certificates are somebody else's to see to does not: its keys are, too.
func (p *parts) keepKeys() {
	if _, ours := ownFolder(p.settings); ours {
		keeper := &registry.KeyKeeper{Access: p.known, File: sealing.File(p.on.secretsKey), Ask: p.askForKey, Log: p.log}
		p.loops["keys"] = keeper.Run
	}
}

// keyTime bounds the question to one member.
const keyTime = 5 * time.Second

// askForKey asks the members, one after the other, for a key. This one has not got it
// and says so, too.
func (p *parts) askForKey(ctx context.Context, id string) (string, error) {
	asked := p.settings
	var err error
	if asked.EtcdServers, err = p.store.Members(ctx); err != nil {
		return "", err
	}
	at, err := members(asked)
	if err != nil {
		return "", err
	}
	secrets, err := authority.LoadClient(asked.EtcdCAFile, asked.EtcdCertFile, asked.EtcdKeyFile)
	if err != nil {
		return "", err
	}
	faults := []error{fmt.Errorf("asked %d members", len(at))}
	for _, one := range at {
		c, err := client.New(client.Config{Endpoints: []string{"https://" + one}, TLS: authority.ByMember(secrets), Timeout: keyTime})
		if err != nil {
			return "", err
		}
		answer, err := c.Keys(ctx, id)
		c.Close()
		if err == nil {
			return answer.Line, nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", one, err))
	}
	return "", errors.Join(faults...)
}
