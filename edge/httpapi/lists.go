package httpapi

import "net/http"

func (a *API) machines(r *http.Request, q query, least int64) (any, error) {
	away, err := q.truth("away")
	if err != nil {
		return nil, err
	}
	return a.config.Registry.Machines(r.Context(), least, away)
}

func (a *API) states(r *http.Request, q query, least int64) (any, error) {
	machine, err := q.machine()
	if err != nil {
		return nil, err
	}
	return a.config.Registry.States(r.Context(), least, machine)
}

func (a *API) units(r *http.Request, q query, least int64) (any, error) {
	names, err := q.units()
	if err != nil {
		return nil, err
	}
	return a.config.Registry.Units(r.Context(), least, names)
}
