package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// Workers does for machines that are no members what these may not do in the store.
// role/registry has one.
type Workers interface {
	// Content is a unit's text that is placed on the machine that asks, else an
	// access.Refused.
	Content(ctx context.Context, asks cluster.MachineID, hash cluster.Hash) (string, error)
}

// content is the text of a unit that is placed on the machine that asks, as it is.
func (a *API) content(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	hash, err := cluster.ParseHash(r.PathValue("hash"))
	if err != nil {
		return api.Invalid(err.Error(), "")
	}
	text, err := a.config.Workers.Content(r.Context(), by.Who.Machine(), hash)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = newStream(w).Write([]byte(text)) // a client that went away needs no answer
	return nil
}

// cluster is what a machine goes by to reach the cluster.
func (a *API) cluster(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	now, err := a.config.Cluster(r.Context())
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, now)
}

// clusterChanged is told by a member that this machine goes by something old.
func (a *API) clusterChanged(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if by.Who.Kind != access.Member {
		return &access.Refused{Message: by.Account.Name + " is no member: members alone tell others that the cluster has changed", Hint: "fleetd asks by itself every few minutes"}
	}
	if a.config.LookAgain != nil {
		a.config.LookAgain()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
