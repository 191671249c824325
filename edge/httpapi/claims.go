package httpapi

import (
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
)

// claims lets another machine ask whether this one lives with the id that both
// have. It is answered by the machine itself, member or not.
func (a *API) claims(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	if a.config.Claimed == nil {
		return &api.Error{Code: http.StatusForbidden, Message: "only a machine of the cluster may claim an id", Hint: "fleetd does it by itself"}
	}
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if err := checkType(r); err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	by, err := parseIdentity(body)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, a.config.Claimed(by))
}

// root answers where fleet's clients look whether there is an API at all.
func (a *API) root(_ http.ResponseWriter, r *http.Request, _ access.Caller) error {
	return &api.Error{
		Code: http.StatusMethodNotAllowed, Message: r.Method + " is not for /",
		Hint: "the API is below " + api.Base + ", fleet's own below /fleet/v1",
	}
}
