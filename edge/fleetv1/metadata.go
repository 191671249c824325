package fleetv1

import (
	"net/http"

	"argosy/core/api"
	"argosy/core/fleetv1"
)

// patchMachines checks what it is asked and then says that it cannot do it: a
// machine's metadata is its own fact, and there is none yet for what operators
// add to it.
func (h *Handler) patchMachines(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	patches, err := fleetv1.ParsePatch(body)
	switch {
	case err != nil:
		return err
	case len(patches) == 0:
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return &api.Error{
		Code: http.StatusNotImplemented, Message: "changing a machine's metadata at run time is not supported yet; nothing was changed",
		Hint: "set metadata= in the machine's /etc/fleet/fleet.conf and restart its fleet.service",
	}
}
