package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// SecretStore is where secrets are kept, and what says who may have one.
type SecretStore interface {
	Secret(ctx context.Context, name cluster.SecretName) (cluster.Secret, error)
	Secrets(ctx context.Context) ([]cluster.Secret, error)
	// PutSecret wants the revision of the keyring that the secret is sealed by.
	PutSecret(ctx context.Context, secret cluster.Secret, keyring int64, done ...access.Entry) (cluster.Secret, error)
	Keyring(ctx context.Context) (access.Keyring, error)
	DeleteSecret(ctx context.Context, name cluster.SecretName, revision int64, done ...access.Entry) error
	Placement(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName) (cluster.Placement, error)
	Content(ctx context.Context, hash cluster.Hash) (string, error)
}

// Sealer encrypts values before they are stored, and opens them.
type Sealer interface {
	// Held are the ids of the keys that are there, the one first that seals where the
	// keyring names none.
	Held() ([]string, error)
	Seal(key string, name cluster.SecretName, version int64, value []byte) (cluster.Sealed, error)
	Open(name cluster.SecretName, version int64, sealed cluster.Sealed) ([]byte, error)
	Reseal(key string, name cluster.SecretName, version int64, sealed cluster.Sealed) (cluster.Sealed, error)
}

// Vault is the part of the API's mind that has the key of secrets. It keeps no value
// longer than a request takes, and puts none into an error or the log.
type Vault struct {
	registry *Registry
	store    SecretStore
	sealer   Sealer
}

// NewVault makes a vault beside a registry, which knows who uses which secret.
func NewVault(r *Registry, store SecretStore, sealer Sealer) *Vault {
	return &Vault{registry: r, store: store, sealer: sealer}
}

// Secrets lists all secrets, without their values.
func (v *Vault) Secrets(ctx context.Context) (api.Secrets, error) {
	all, err := v.store.Secrets(ctx)
	if err != nil {
		return api.Secrets{}, err
	}
	answer := api.Secrets{Secrets: []api.Secret{}}
	err = v.registry.read(ctx, 0, func(view *api.View, fresh api.Freshness) {
		answer.Freshness = fresh
		uses := view.SecretUses()
		for _, s := range all {
			answer.Secrets = append(answer.Secrets, api.ShownSecret(s, uses[s.Name]))
		}
	})
	return answer, err
}

// uses are the units that ask for a secret.
func (v *Vault) uses(ctx context.Context, name cluster.SecretName) (uses []api.SecretUse, err error) {
	err = v.registry.read(ctx, 0, func(view *api.View, _ api.Freshness) { uses = view.SecretUses()[name] })
	return uses, err
}

// SetSecret makes a new version of a secret, or changes for which units it is. A value
// that it has already makes none.
func (v *Vault) SetSecret(ctx context.Context, by access.Caller, name cluster.SecretName, change api.SecretChange) (api.SecretWritten, error) {
	if err := change.Valid(); err != nil {
		return api.SecretWritten{}, err
	}
	for range attempts {
		written, err := v.setOnce(ctx, by, name, change)
		if errors.Is(err, cluster.ErrConflict) {
			continue
		}
		if err != nil {
			return api.SecretWritten{}, err
		}
		if written.Changed {
			v.registry.log.Info("secret written", "secret", name, "version", written.Version, "by", by.Account.Name)
		}
		written.Used, err = v.uses(ctx, name)
		return written, err
	}
	return api.SecretWritten{}, fmt.Errorf("set the secret %s: lost to others %d times: %w", name, attempts, cluster.ErrConflict)
}

func (v *Vault) setOnce(ctx context.Context, by access.Caller, name cluster.SecretName, change api.SecretChange) (api.SecretWritten, error) {
	stored, err := v.store.Secret(ctx, name)
	created := errors.Is(err, cluster.ErrNotFound)
	switch {
	case created && len(change.Value) == 0:
		return api.SecretWritten{}, noSecret(name)
	case created:
		stored = cluster.Secret{Name: name}
	case err != nil:
		return api.SecretWritten{}, err
	}
	keyring, key, err := v.key(ctx)
	if err != nil {
		return api.SecretWritten{}, err
	}
	next, changed, err := v.next(by.Account.Name, key, stored, change)
	if err == nil && changed {
		next, err = v.store.PutSecret(ctx, next, keyring, by.Entry(access.Govern, "set secret "+string(name), secretNote(stored, next), time.Now()))
	}
	if err != nil {
		return api.SecretWritten{}, fmt.Errorf("set the secret %s: %w", name, err)
	}
	return api.SecretWritten{Name: name, Version: next.Latest().Version, Created: created, Changed: changed}, nil
}

// key is which key seals, by which revision of the keyring.
func (v *Vault) key(ctx context.Context) (keyring int64, key string, err error) {
	ring, err := v.store.Keyring(ctx)
	if err != nil {
		return 0, "", err
	}
	held, err := v.sealer.Held()
	switch {
	case err != nil:
		return 0, "", err
	case ring.Seals == "":
		return ring.Revision, held[0], nil
	case !slices.Contains(held, ring.Seals):
		return 0, "", fmt.Errorf("secrets are sealed with the key %s now, which this member is still to get from another one: %w", ring.Seals, cluster.ErrUnavailable)
	}
	return ring.Revision, ring.Seals, nil
}

// secretNote says, for the audit, what of a secret has changed.
func secretNote(before, after cluster.Secret) string {
	note := fmt.Sprintf("version %d", after.Latest().Version)
	if !slices.Equal(before.Units, after.Units) {
		note += ", for units called " + strings.Join(after.Units, ", ")
	}
	return note
}

// next is the secret after a change, and whether that differs from what is stored.
// All that is kept is sealed with the key of today; what cannot be opened stays as it
// is: it is a new value that counts.
func (v *Vault) next(by, key string, stored cluster.Secret, change api.SecretChange) (next cluster.Secret, changed bool, err error) {
	value := change.Value
	if change.From > 0 {
		if value, err = v.earlier(stored, change.From); err != nil {
			return stored, false, err
		}
	}
	next, changed, _ = stored.Resealed(key, v.sealer.Reseal)
	if len(value) > 0 && !v.isLatest(stored, value) {
		number := stored.Latest().Version + 1
		sealed, err := v.sealer.Seal(key, stored.Name, number, value)
		if err != nil {
			return next, false, err
		}
		next, changed = next.With(cluster.SecretVersion{Version: number, By: by, At: time.Now().UTC(), Sealed: sealed}), true
	}
	if change.Units != nil && !slices.Equal(*change.Units, stored.Units) {
		next.Units, changed = *change.Units, true
	}
	return next, changed, nil
}

func (v *Vault) earlier(stored cluster.Secret, number int64) ([]byte, error) {
	version, kept := stored.Version(number)
	if !kept {
		shown := api.ShownSecret(stored, nil)
		return nil, api.Invalid(fmt.Sprintf("version %d of the secret %s is not kept", number, stored.Name), fmt.Sprintf("there are %v", shown.Kept))
	}
	return v.sealer.Open(stored.Name, number, version.Sealed)
}

func (v *Vault) isLatest(stored cluster.Secret, value []byte) bool {
	latest := stored.Latest()
	now, err := v.sealer.Open(stored.Name, latest.Version, latest.Sealed)
	return err == nil && bytes.Equal(now, value)
}

// RemoveSecret ends a secret. With force also one that units use: what runs keeps its
// value until it would start anew, and is not started then.
func (v *Vault) RemoveSecret(ctx context.Context, by access.Caller, name cluster.SecretName, force bool) (api.SecretWritten, error) {
	for range attempts {
		stored, err := v.store.Secret(ctx, name)
		if errors.Is(err, cluster.ErrNotFound) {
			return api.SecretWritten{}, noSecret(name)
		}
		var uses []api.SecretUse
		if err == nil {
			uses, err = v.uses(ctx, name)
		}
		if err == nil && !force {
			err = inUse(name, uses)
		}
		if err == nil {
			err = v.store.DeleteSecret(ctx, name, stored.Revision, by.Entry(access.Govern, "remove secret "+string(name), "", time.Now()))
			if errors.Is(err, cluster.ErrConflict) || errors.Is(err, cluster.ErrNotFound) {
				continue // the next look tells which
			}
		}
		if err != nil {
			return api.SecretWritten{}, err
		}
		v.registry.log.Info("secret removed", "secret", name, "by", by.Account.Name)
		return api.SecretWritten{Name: name, Changed: true, Used: uses}, nil
	}
	return api.SecretWritten{}, fmt.Errorf("remove the secret %s: lost to others %d times: %w", name, attempts, cluster.ErrConflict)
}

func inUse(name cluster.SecretName, uses []api.SecretUse) error {
	var units []string
	for _, use := range uses {
		if use.Desired != cluster.Inactive && !slices.Contains(units, string(use.Unit)) {
			units = append(units, string(use.Unit))
		}
	}
	if len(units) == 0 {
		return nil
	}
	const most = 5
	said := strings.Join(units[:min(most, len(units))], ", ")
	if len(units) > most {
		said += fmt.Sprintf(" and %d more", len(units)-most)
	}
	return &api.Error{
		Code: http.StatusConflict, Message: fmt.Sprintf("the secret %s is used by %s", name, said),
		Hint: "unload them first; or --force: what runs keeps its value, and is not started anew without it",
	}
}

// SecretFor is the value of a secret for a unit on one machine. The machine may have it
// where the unit is launched there and its text asks for it; so a machine can ask for
// nothing that it is not given anyway.
func (v *Vault) SecretFor(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName, name cluster.SecretName) (api.SecretValue, error) {
	if err := v.asked(ctx, machine, unit, name); err != nil {
		return api.SecretValue{}, err
	}
	for read := int64(0); ; {
		stored, err := v.registry.secretFor(ctx, unit, name)
		if err != nil {
			return api.SecretValue{}, err
		}
		latest := stored.Latest()
		value, err := v.sealer.Open(name, latest.Version, latest.Sealed)
		if err == nil {
			return api.SecretValue{Version: latest.Version, Value: value}, nil
		}
		if stored.Revision == read {
			return api.SecretValue{}, err
		}
		read = stored.Revision // it may just have been sealed anew, and the former key be forgotten
	}
}

// asked says why a machine may not have a secret for a unit, if that is so.
func (v *Vault) asked(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName, name cluster.SecretName) error {
	refused := &api.Error{
		Code: http.StatusForbidden, Message: fmt.Sprintf("machine %s is not given the secret %s for %s: no such unit is launched there that asks for it", machine, name, unit),
		Hint: "fleetd asks by itself for what its units need",
	}
	placed, err := v.store.Placement(ctx, machine, unit)
	switch {
	case errors.Is(err, cluster.ErrNotFound):
		return refused
	case err != nil:
		return err
	case placed.Desired != cluster.Launched:
		return refused
	}
	content, err := v.store.Content(ctx, placed.Hash)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(unitfile.SecretsOf(unit, content), func(s unitfile.Secret) bool { return s.Name == name }) {
		return refused
	}
	return nil
}

// secretFor is a secret that a unit asks for, or why the unit cannot have it.
func (r *Registry) secretFor(ctx context.Context, unit cluster.UnitName, name cluster.SecretName) (cluster.Secret, error) {
	stored, err := r.store.Secret(ctx, name)
	switch {
	case errors.Is(err, cluster.ErrNotFound):
		return stored, &api.Error{
			Code: http.StatusNotFound, Message: fmt.Sprintf("%s asks for the secret %s, which is not there", unit, name),
			Hint: fmt.Sprintf("fleetctl secret set %s < FILE", name),
		}
	case err == nil && !stored.For(unit):
		return stored, &api.Error{
			Code: http.StatusForbidden, Message: fmt.Sprintf("%s asks for the secret %s, which is for units called %s", unit, name, strings.Join(stored.Units, ", ")),
			Hint: fmt.Sprintf("an admin may say otherwise: fleetctl secret limit %s PATTERN...", name),
		}
	}
	return stored, err
}

// secretsFor says why a unit with this content could not be started, for want of its
// secrets.
func (r *Registry) secretsFor(ctx context.Context, unit cluster.UnitName, content string) error {
	for _, s := range unitfile.SecretsOf(unit, content) {
		if _, err := r.secretFor(ctx, unit, s.Name); err != nil {
			return err
		}
	}
	return nil
}

func noSecret(name cluster.SecretName) error {
	return &api.Error{Code: http.StatusNotFound, Message: fmt.Sprintf("there is no secret %s", name), Hint: fmt.Sprintf("fleetctl secret set %s < FILE", name)}
}
