package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// setUnit stores what is wanted of a unit.
func (a *API) setUnit(r *http.Request, by access.Caller, body []byte) (int, any, error) {
	name, err := unitName(r)
	if err != nil {
		return 0, nil, err
	}
	change, err := parseChange(body)
	if err != nil {
		return 0, nil, err
	}
	if change.By != "" {
		by.Account.Name = fmt.Sprintf("%s for %s", by.Account.Name, change.By)
	}
	written, err := a.config.Registry.SetUnit(r.Context(), by, name, change)
	if written.Created {
		return http.StatusCreated, written, err
	}
	return http.StatusOK, written, err
}

func (a *API) destroy(r *http.Request, by access.Caller, _ []byte) (int, any, error) {
	name, err := unitName(r)
	if err != nil {
		return 0, nil, err
	}
	written, err := a.config.Registry.Destroy(r.Context(), by, name)
	return http.StatusOK, written, err
}

func (a *API) unit(r *http.Request, _ query, least int64) (any, error) {
	name, err := unitName(r)
	if err != nil {
		return nil, err
	}
	return a.config.Registry.Unit(r.Context(), least, name)
}

// why answers why a unit is where it is.
func (a *API) why(r *http.Request, _ query, least int64) (any, error) {
	name, err := unitName(r)
	if err != nil {
		return nil, err
	}
	if a.config.Explainer == nil {
		return nil, unexplained()
	}
	unit, err := a.config.Registry.Unit(r.Context(), least, name)
	if err != nil {
		return nil, err
	}
	explanation, err := a.config.Explainer.Why(r.Context(), name)
	if errors.Is(err, cluster.ErrNotFound) { // the scheduler hears of news a moment later
		err = fmt.Errorf("why %s: the scheduler has not heard of it yet: %w", name, cluster.ErrUnavailable)
	}
	return api.Why{Freshness: unit.Freshness, Explanation: explanation}, err
}

func unexplained() error {
	return &api.Error{
		Code: http.StatusNotImplemented, Message: "this machine runs no scheduler that could tell",
		Hint: "ask a member of the cluster",
	}
}
