package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Secrets gets the cluster's secrets, and keeps those of this machine's units where
// systemd finds them.
type Secrets interface {
	// Value asks the cluster for a secret that a unit placed here asks for.
	Value(ctx context.Context, unit cluster.UnitName, secret cluster.SecretName) (value []byte, version int64, err error)
	// Asks are the secrets that the unit's text on the disk asks for.
	Asks(unit cluster.UnitName) ([]unitfile.Secret, error)
	// Give keeps the unit's values by credential, and no others.
	Give(unit cluster.UnitName, values map[string][]byte, versions cluster.SecretVersions) error
	// Given says which versions were kept last.
	Given(unit cluster.UnitName) cluster.SecretVersions
}

// secretTime bounds the asking for one secret.
const secretTime = 15 * time.Second

// give gets what the unit asks for, as it is now, and puts it where systemd finds it
// with the unit's next start. All is there or all stays as it was.
func (a *Agent) give(ctx context.Context, unit cluster.UnitName, asks []unitfile.Secret) (cluster.SecretVersions, error) {
	if a.config.Secrets == nil {
		return "", errors.New("not started: it asks for secrets, and this machine can be given none")
	}
	values, versions := map[string][]byte{}, map[cluster.SecretName]int64{}
	for _, s := range asks {
		value, version, err := a.secret(ctx, unit, s.Name)
		if err != nil {
			return "", fmt.Errorf("not started: %w", err)
		}
		values[s.Credential], versions[s.Name] = value, version
	}
	given := cluster.VersionsOf(versions)
	if err := a.config.Secrets.Give(unit, values, given); err != nil {
		return "", fmt.Errorf("not started: %w", err)
	}
	a.log.Info("secrets given", "unit", unit, "versions", given)
	return given, nil
}

func (a *Agent) secret(ctx context.Context, unit cluster.UnitName, name cluster.SecretName) ([]byte, int64, error) {
	ctx, cancel := a.on.WithTimeout(ctx, secretTime)
	defer cancel()
	value, version, err := a.config.Secrets.Value(ctx, unit, name)
	if err != nil {
		return nil, 0, fmt.Errorf("get the secret %s: %w", name, err)
	}
	return value, version, nil
}

// given tells the desk that a unit was given secrets beside its steps.
type given struct {
	unit     cluster.UnitName
	versions cluster.SecretVersions
}

// giveAgain is give for a unit that the cluster has put here already.
func (a *Agent) giveAgain(ctx context.Context, unit cluster.UnitName) error {
	if a.config.Secrets == nil {
		return nil
	}
	asks, err := a.config.Secrets.Asks(unit)
	if err != nil || len(asks) == 0 {
		return err
	}
	versions, err := a.give(ctx, unit, asks)
	if err != nil {
		return err
	}
	return a.mail.Send(ctx, given{unit, versions})
}

func (g given) learn(d *desk) {
	if e, there := d.units[g.unit]; there {
		e.given = g.versions
		d.mark(g.unit)
	}
}

// asks are the secrets that the text asks for which is wanted of a unit. They are
// known once the text is.
func (d *desk) asks(name cluster.UnitName, e *entry) []unitfile.Secret {
	if d.config.Secrets != nil && e.asking != e.want.Hash && e.hasFile && e.file == e.want.Hash {
		asks, err := d.config.Secrets.Asks(name)
		if err != nil {
			d.log.Warn("a unit's files could not be read", "unit", name, "error", err)
			return e.secrets
		}
		e.asking, e.secrets = e.want.Hash, asks
	}
	if text, known := d.known[e.want.Hash]; known && e.asking != e.want.Hash {
		e.asking, e.secrets = e.want.Hash, unitfile.SecretsOf(name, text)
	}
	if e.asking != e.want.Hash {
		return nil
	}
	return e.secrets
}

// givenOnDisk is what a unit was given, in this life of fleetd or an earlier one.
func (d *desk) givenOnDisk(name cluster.UnitName) cluster.SecretVersions {
	if d.config.Secrets == nil {
		return ""
	}
	return d.config.Secrets.Given(name)
}
