package httpapi

import (
	"net/http"

	"argosy/core/api"
)

func (a *API) machines(r *http.Request, q query, least int64) (any, error) {
	away, err := q.truth("away")
	if err != nil {
		return nil, err
	}
	begins, err := q.beginning()
	switch {
	case err != nil:
		return nil, err
	case away && !begins.Any():
		return nil, api.Invalid("away with prefix or limit", "list all machines, or say how they begin")
	case !begins.Any():
		return a.config.Registry.MachinesBeginning(r.Context(), least, begins)
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
	begins, err := q.beginning()
	switch {
	case err != nil:
		return nil, err
	case names != nil && !begins.Any():
		return nil, api.Invalid("unit with prefix or limit", "name units, or say how they begin")
	case !begins.Any():
		return a.config.Registry.UnitsBeginning(r.Context(), least, begins)
	}
	return a.config.Registry.Units(r.Context(), least, names)
}
