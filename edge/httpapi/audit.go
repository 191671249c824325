package httpapi

import (
	"context"
	"errors"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// Audit keeps who did what. What is stored is recorded where it is stored; role/registry
// has one.
type Audit interface {
	// Refused waits for nobody.
	Refused(by access.Caller, verb access.Verb, asked, why string)
	// Asked says that a machine is about to be asked something about a unit.
	Asked(ctx context.Context, by access.Caller, unit cluster.UnitName, what string) error
	Entries(ctx context.Context, after int64, most int) (api.AuditPage, error)
}

// known is caller, and records who is known and refused.
func (a *API) known(r *http.Request) (access.Caller, error) {
	by, err := a.caller(r)
	a.recordRefusal(r, by, access.Look, err)
	return by, err
}

// recordRefusal records that a caller was refused something, if err says so.
func (a *API) recordRefusal(r *http.Request, by access.Caller, verb access.Verb, err error) {
	var refused *access.Refused
	if a.config.Audit != nil && errors.As(err, &refused) {
		a.config.Audit.Refused(by, verb, r.Method+" "+r.URL.Path, refused.Message)
	}
}

func (a *API) audit(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	q, err := parseQuery(r.URL.RawQuery, "after", "limit")
	if err != nil {
		return err
	}
	after, err := q.number("after", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	most, err := q.number("limit", api.MostEntries, 1, api.MostEntries)
	if err != nil {
		return err
	}
	page, err := a.config.Audit.Entries(r.Context(), after, int(most))
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, page)
}
