package fleetv1

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
)

func noSuchUnit() error {
	return &api.Error{Code: http.StatusNotFound, Message: "unit does not exist"}
}

func (h *Handler) unit(name string) method {
	return func(w http.ResponseWriter, r *http.Request) error {
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
}

func (h *Handler) find(ctx context.Context, name cluster.UnitName) (api.UnitAnswer, error) {
	answer, err := h.config.Registry.Unit(ctx, 0, name)
	if errors.Is(err, cluster.ErrNotFound) {
		return answer, noSuchUnit()
	}
	return answer, err
}

func (h *Handler) destroy(name string) method {
	return func(w http.ResponseWriter, r *http.Request) error {
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
}

// setUnit creates a unit, puts another text in its place, or changes what is
// wanted of it.
func (h *Handler) setUnit(name string) method {
	return func(w http.ResponseWriter, r *http.Request) error {
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
}

// set stores a change and returns its status: 201 where the unit has a new text,
// 204 where it has only another desired state.
func (h *Handler) set(ctx context.Context, by string, name cluster.UnitName, change fleetv1.Change) (int, error) {
	stored, err := h.find(ctx, name)
	known := err == nil
	if err != nil && !errors.Is(err, cluster.ErrNotFound) {
		return 0, err
	}
	differs := change.Text != "" && (!known || !fleetv1.Same(stored.Unit.Bundle(), change.Text))
	if change.Desired == "" && known && !differs {
		return 0, conflict("must provide DesiredState to update existing unit")
	}
	if !differs && (known || change.Desired != "") {
		_, err := h.config.Registry.SetUnit(ctx, by, name, api.UnitChange{Desired: change.Desired})
		switch {
		case err == nil:
			return http.StatusNoContent, nil
		case !errors.Is(err, cluster.ErrNotFound):
			return 0, err
		}
		known = false // it was destroyed a moment ago
	}
	if change.Text == "" {
		return 0, conflict("unit does not exist and options field empty")
	}
	desired := cmp.Or(change.Desired, cluster.Inactive)
	if known {
		// fleet made a replaced unit inactive where no state was given, and its
		// machine lost it until the next request. It may stay where it is.
		desired = cmp.Or(change.Desired, stored.Unit.Desired)
	}
	_, err = h.config.Registry.SetUnit(ctx, by, name, api.UnitChange{Text: &change.Text, Desired: desired})
	return http.StatusCreated, err
}

func conflict(message string) error {
	return &api.Error{Code: http.StatusConflict, Message: message}
}
