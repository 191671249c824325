package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// Audit keeps who did what. What is stored is recorded where it is stored; role/registry
// has one.
type Audit interface {
	// Refused and Conflicted wait for nobody.
	Refused(by access.Caller, verb access.Verb, asked, why string)
	Conflicted(by access.Caller, verb access.Verb, asked, why string)
	// Asked says that a machine is about to be asked something about a unit.
	Asked(ctx context.Context, by access.Caller, unit cluster.UnitName, what string) error
	Entries(ctx context.Context, query access.AuditQuery, deliver func(access.Entry) error) error
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

// recordConflict records that a caller's change was answered with 409, or is about to
// be, and why if that is known here.
func (a *API) recordConflict(r *http.Request, by access.Caller, verb access.Verb, answered int, err error) {
	why := "it conflicts with what is there"
	if err != nil {
		e := api.AsError(err)
		answered, why = e.Code, e.Message
	}
	if a.config.Audit == nil || answered != http.StatusConflict {
		return
	}
	a.config.Audit.Conflicted(by, verb, r.Method+" "+r.URL.Path, why)
}

// audit streams the entries that are asked for, one a line: however many there are, no
// more than a few pages of them are held at a time.
func (a *API) audit(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	query, err := auditQuery(r)
	if err != nil {
		return err
	}
	r, leave, err := a.enterStream(r)
	if err != nil {
		return err
	}
	defer leave()
	w.Header().Set("Content-Type", api.MediaLines)
	w.Header().Set("Trailer", api.ErrorTrailer)
	out := newStream(w)
	err = a.config.Audit.Entries(r.Context(), query, func(e access.Entry) error {
		line, err := encode(e)
		if err == nil {
			_, err = out.Write(line)
		}
		return err
	})
	if err == nil {
		_, _ = out.Write(nil) // there may be none
	}
	return err
}

func auditQuery(r *http.Request) (query access.AuditQuery, err error) {
	q, err := parseQuery(r.URL.RawQuery, "after", "last", "since")
	if err != nil {
		return query, err
	}
	if query.After, err = q.number("after", 0, 0, 1<<62); err != nil {
		return query, err
	}
	last, err := q.number("last", 0, 0, api.MostLast)
	if err != nil {
		return query, err
	}
	query.Last = int(last)
	if since := q.values.Get("since"); since != "" {
		if query.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return query, api.Invalid("since is no moment: "+err.Error(), "expected one such as 2026-01-31T12:00:00Z")
		}
	}
	return query, nil
}
