package fleetv1

import (
	"fmt"
	"net/http"

	"argosy/core/fleetv1"
)

// patchMachines changes what operators say of machines, seen before or not: it
// is kept for their arrival. To remove a key that only a machine's fleet.conf has
// hides it, as in fleet.
//
// The request is checked as a whole before anything is changed. What it asks for
// one machine is then all done or not at all; several machines are changed one
// after another, in the order in which they are named, and a store that goes away
// meanwhile leaves the rest as it was. The whole request may be sent again.
func (h *Handler) patchMachines(w http.ResponseWriter, r *http.Request, _ string) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	patches, err := fleetv1.ParsePatch(body)
	if err != nil {
		return err
	}
	machines, err := fleetv1.ByMachine(patches)
	if err != nil {
		return err
	}
	by := h.config.By(r)
	for _, dryRun := range []bool{true, false} {
		for i, m := range machines {
			m.Change.DryRun = dryRun
			if _, err := h.config.Registry.SetLabels(r.Context(), by, m.Machine, m.Change); err != nil {
				return fmt.Errorf("machine %d of %d: %w", i+1, len(machines), err)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json") // fleet's own says so of its empty body
	w.WriteHeader(http.StatusNoContent)
	return nil
}
