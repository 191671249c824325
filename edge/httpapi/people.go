package httpapi

import (
	"context"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
)

// People says who may do what. role/registry has one.
type People interface {
	People(ctx context.Context) (api.People, error)
	SetPerson(ctx context.Context, by access.Caller, name string, change api.PersonChange) (api.PersonWritten, error)
	RemovePerson(ctx context.Context, by access.Caller, name string) (api.PersonWritten, error)
	RevokePerson(ctx context.Context, by access.Caller, name string) (api.PersonWritten, error)
	Invite(ctx context.Context, by access.Caller, name string, request api.InvitationRequest) (api.Invitation, error)
}

func (a *API) people(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	answer, err := a.config.People.People(r.Context())
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

// person is the one in a request's path.
func person(r *http.Request) (string, error) {
	name := r.PathValue("name")
	if err := access.CheckPersonName(name); err != nil {
		return "", api.Invalid(err.Error(), "")
	}
	return name, nil
}

func (a *API) setPerson(r *http.Request, by access.Caller, body []byte) (int, any, error) {
	name, err := person(r)
	if err != nil {
		return 0, nil, err
	}
	var change api.PersonChange
	if err := parseBody(body, &change, `expected {"role": "operator", "units": ["web@*.service"]}`); err != nil {
		return 0, nil, err
	}
	written, err := a.config.People.SetPerson(r.Context(), by, name, change)
	return http.StatusOK, written, err
}

func (a *API) removePerson(r *http.Request, by access.Caller, _ []byte) (int, any, error) {
	name, err := person(r)
	if err != nil {
		return 0, nil, err
	}
	written, err := a.config.People.RemovePerson(r.Context(), by, name)
	return http.StatusOK, written, err
}

func (a *API) revokePerson(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	name, err := person(r)
	if err != nil {
		return err
	}
	written, err := a.config.People.RevokePerson(r.Context(), by, name)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, written)
}

func (a *API) invite(r *http.Request, by access.Caller, body []byte) (int, any, error) {
	name, err := person(r)
	if err != nil {
		return 0, nil, err
	}
	var request api.InvitationRequest
	if err := parseBody(body, &request, `expected {"seconds": 3600}`); err != nil {
		return 0, nil, err
	}
	invitation, err := a.config.People.Invite(r.Context(), by, name, request)
	return http.StatusCreated, invitation, err
}
