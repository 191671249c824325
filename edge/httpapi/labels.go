package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// setLabels changes what operators say of a machine, and answers which units
// move for it. What moves is asked before anything is changed: afterwards the
// scheduler has begun already.
func (a *API) setLabels(r *http.Request, by access.Caller, body []byte) (int, any, error) {
	id, err := cluster.ParseMachineID(r.PathValue("id"))
	if err != nil {
		return 0, nil, api.Invalid(err.Error(), "'fleetctl list-machines --full' shows the machines' ids")
	}
	var change api.LabelsChange
	if err := parseBody(body, &change, `expected {"set": {"region": "eu"}, "remove": ["disk"]}`); err != nil {
		return 0, nil, err
	}
	consequences, err := a.consequences(r.Context(), by, id, change)
	if err != nil {
		return 0, nil, err
	}
	answer, err := a.config.Registry.SetLabels(r.Context(), by, id, change)
	answer.Consequences = consequences
	return http.StatusOK, answer, err
}

// consequences are the units that would move if labels were changed.
func (a *API) consequences(ctx context.Context, by access.Caller, id cluster.MachineID, change api.LabelsChange) ([]api.Consequence, error) {
	if a.config.Explainer == nil {
		if change.DryRun {
			return nil, unexplained()
		}
		return nil, nil
	}
	change.DryRun = true
	would, err := a.config.Registry.SetLabels(ctx, by, id, change)
	if err != nil || !would.Changed {
		return nil, err
	}
	changes, err := a.config.Explainer.WhatIf(ctx, would.Event())
	if err != nil {
		return nil, fmt.Errorf("tell what moves if machine %s is labelled: %w", id, err)
	}
	names := api.Moved(changes)
	if len(names) == 0 {
		return nil, nil
	}
	units, err := a.config.Registry.Units(ctx, 0, names)
	if err != nil {
		return nil, err
	}
	return api.Consequences(changes, units.Units), nil
}
