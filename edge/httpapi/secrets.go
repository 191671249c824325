package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// Secrets keeps the cluster's secrets. role/registry's Vault is one.
type Secrets interface {
	Secrets(ctx context.Context) (api.Secrets, error)
	SetSecret(ctx context.Context, by access.Caller, name cluster.SecretName, change api.SecretChange) (api.SecretWritten, error)
	RemoveSecret(ctx context.Context, by access.Caller, name cluster.SecretName, force bool) (api.SecretWritten, error)
	// SecretFor is a value, for a unit on a machine.
	SecretFor(ctx context.Context, machine cluster.MachineID, unit cluster.UnitName, name cluster.SecretName) (api.SecretValue, error)
}

// Keys are those that members seal secrets with. They are in no store: members have
// them from each other.
type Keys interface {
	Held() (ids []string, err error)
	// Give is the line of one key, for another member; fs.ErrNotExist where this one
	// has not got it.
	Give(to cluster.MachineID, id string) (line string, err error)
}

// keys tells a member which keys this one has, and hands it one that it names.
func (a *API) keys(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q, err := parseQuery(r.URL.RawQuery, "id")
	if err != nil {
		return err
	}
	var answer api.Keys
	if answer.Held, err = a.config.Keys.Held(); err != nil {
		return err
	}
	if id := q.values.Get("id"); id != "" {
		answer.Line, err = a.config.Keys.Give(by.Who.Machine(), id)
		if errors.Is(err, fs.ErrNotExist) {
			return &api.Error{Code: http.StatusNotFound, Message: fmt.Sprintf("this member has no key %q", id), Hint: "another one may have it"}
		}
		if err != nil {
			return err
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	return sendJSON(w, http.StatusOK, answer)
}

func (a *API) secrets(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	answer, err := a.config.Secrets.Secrets(r.Context())
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

// secretName is the secret in a request's path.
func secretName(r *http.Request) (cluster.SecretName, error) {
	name, err := cluster.ParseSecretName(r.PathValue("name"))
	if err != nil {
		return "", api.Invalid(err.Error(), "")
	}
	return name, nil
}

// giveSecret answers a machine, for itself alone, with a value that a unit there asks
// for. No person is answered, whatever their role.
func (a *API) giveSecret(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	if by.Via != "" {
		return &access.Refused{Message: by.Account.Name + " may not ask this: values are for machines that ask for themselves", Hint: "units find their secrets in $CREDENTIALS_DIRECTORY"}
	}
	q, err := parseQuery(r.URL.RawQuery, "unit")
	if err != nil {
		return err
	}
	name, err := secretName(r)
	if err != nil {
		return err
	}
	units, err := q.units()
	if err != nil {
		return err
	}
	if len(units) != 1 {
		return api.Invalid(fmt.Sprintf("%d units are named", len(units)), "say which one asks for it: ?unit=NAME")
	}
	value, err := a.config.Secrets.SecretFor(r.Context(), by.Who.Machine(), units[0], name)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return sendJSON(w, http.StatusOK, value)
}

func (a *API) setSecret(r *http.Request, by access.Caller, body []byte) (int, any, error) {
	name, err := secretName(r)
	if err != nil {
		return 0, nil, err
	}
	var change api.SecretChange
	if err := parseBody(body, &change, `expected {"value": "..."} in base64, {"from": VERSION} or {"units": ["web@*.service"]}`); err != nil {
		return 0, nil, err
	}
	written, err := a.config.Secrets.SetSecret(r.Context(), by, name, change)
	if written.Created {
		return http.StatusCreated, written, err
	}
	return http.StatusOK, written, err
}

func (a *API) removeSecret(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q, err := parseQuery(r.URL.RawQuery, "force")
	if err != nil {
		return err
	}
	force, err := q.truth("force")
	if err != nil {
		return err
	}
	name, err := secretName(r)
	if err != nil {
		return err
	}
	written, err := a.config.Secrets.RemoveSecret(r.Context(), by, name, force)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, written)
}
