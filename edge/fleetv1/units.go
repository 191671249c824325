package fleetv1

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
)

func noSuchUnit() error {
	return &api.Error{Code: http.StatusNotFound, Message: "unit does not exist"}
}

func (h *Handler) unit(w http.ResponseWriter, r *http.Request, name string) error {
	unit, err := cluster.ParseUnitName(name)
	if err != nil {
		return noSuchUnit()
	}
	answer, err := h.find(r.Context(), unit)
	if err != nil {
		return err
	}
	return sendRead(w, answer.Freshness, fleetv1.UnitOf(answer.Unit))
}

func (h *Handler) find(ctx context.Context, name cluster.UnitName) (api.UnitAnswer, error) {
	answer, err := h.config.Registry.Unit(ctx, 0, name)
	if errors.Is(err, cluster.ErrNotFound) {
		return answer, noSuchUnit()
	}
	return answer, err
}

func (h *Handler) destroy(w http.ResponseWriter, r *http.Request, name string) error {
	unit, err := cluster.ParseUnitName(name)
	if err != nil {
		return noSuchUnit()
	}
	_, err = h.config.Registry.Destroy(r.Context(), h.config.By(r), unit)
	switch {
	case errors.Is(err, cluster.ErrNotFound):
		return noSuchUnit()
	case err != nil:
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setUnit creates a unit, puts another text in its place, or changes what is
// wanted of it.
func (h *Handler) setUnit(w http.ResponseWriter, r *http.Request, name string) error {
	if err := checkType(r); err != nil {
		return err
	}
	unit, err := cluster.ParseUnitName(name)
	if err != nil {
		return api.Invalid(err.Error(), "")
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	change, err := fleetv1.ParseChange(unit, body)
	if err != nil {
		return err
	}
	code, err := h.set(r.Context(), h.config.By(r), unit, change)
	if err != nil {
		return err
	}
	w.WriteHeader(code)
	return nil
}

// attempts bounds how often a change is decided anew that another one has overtaken.
const attempts = 4

// set stores a change and returns its status: 201 where the unit has a new text,
// 204 where it has only another desired state. Each is decided from the unit as it
// was read, and anew where someone else has changed it meanwhile.
func (h *Handler) set(ctx context.Context, by access.Caller, name cluster.UnitName, change fleetv1.Change) (int, error) {
	for try := 1; ; try++ {
		stored, err := h.find(ctx, name)
		known := err == nil
		if err != nil && !errors.Is(err, cluster.ErrNotFound) {
			return 0, err
		}
		next, err := decide(change, stored.Unit, known)
		if err != nil {
			return 0, err
		}
		written, err := h.config.Registry.SetUnit(ctx, by, name, next)
		var refused *access.Refused
		if next.Text != nil && errors.As(err, &refused) {
			err = &access.Refused{Message: refused.Message + "; fleet's own API carries no signatures", Hint: refused.Hint}
		}
		overtaken := errors.Is(err, cluster.ErrConflict) || known && errors.Is(err, cluster.ErrNotFound)
		switch {
		case err != nil && (!overtaken || try == attempts):
			return 0, err
		case err != nil:
		case written.Created, next.Text != nil && written.Changed && written.Generation == stored.Unit.Generation+1:
			return http.StatusCreated, nil
		default: // only the state differs, or someone else has stored this text meanwhile
			return http.StatusNoContent, nil
		}
	}
}

// decide is what a change comes to for a unit as it is stored.
func decide(change fleetv1.Change, stored api.Unit, known bool) (api.UnitChange, error) {
	differs := change.Text != "" && (!known || !fleetv1.Same(stored.Bundle(), change.Text))
	switch {
	case known && !differs && change.Desired == "":
		return api.UnitChange{}, conflict("must provide DesiredState to update existing unit")
	case !known && change.Text == "":
		return api.UnitChange{}, conflict("unit does not exist and options field empty")
	}
	// fleet made a replaced unit inactive where no state was given, and its
	// machine lost it until the next request. It may stay where it is.
	next := api.UnitChange{Desired: cmp.Or(change.Desired, stored.Desired, cluster.Inactive)}
	if differs {
		next.Text, next.IfGeneration = &change.Text, &stored.Generation
	}
	return next, nil
}

func conflict(message string) error {
	return &api.Error{Code: http.StatusConflict, Message: message}
}
