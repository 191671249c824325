package httpapi

import (
	"errors"
	"net/http"

	"argosy/core/access"
)

// look answers a read on a member, from what is known at revision least or later.
type look func(r *http.Request, q query, least int64) (any, error)

// reads is the shape of every read: parameters that are known, an answer of the
// registry.
func (a *API) reads(answer look, known ...string) handler {
	known = append([]string{"minRevision"}, known...)
	return func(w http.ResponseWriter, r *http.Request, by access.Caller) error {
		q, err := parseQuery(r.URL.RawQuery, known...)
		if err != nil {
			return err
		}
		least, err := q.least()
		if err != nil {
			return err
		}
		found, err := answer(r, q, least)
		var other elsewhere
		if errors.As(err, &other) {
			return a.passToHolder(w, r, by, other.MachineID)
		}
		if err != nil {
			return err
		}
		return sendJSON(w, http.StatusOK, found)
	}
}

// act does a write on a member, and says its status and its answer.
type act func(r *http.Request, by access.Caller, body []byte) (code int, answer any, err error)

// writes is the shape of every write: no parameters, a body of JSON, done by the
// registry.
func (a *API) writes(do act) handler {
	return func(w http.ResponseWriter, r *http.Request, by access.Caller) error {
		if _, err := parseQuery(r.URL.RawQuery); err != nil {
			return err
		}
		var body []byte
		if r.Method != http.MethodDelete {
			err := checkType(r)
			if err == nil {
				body, err = readBody(w, r)
			}
			if err != nil {
				return err
			}
		}
		code, answer, err := do(r, by, body)
		if err != nil {
			return err
		}
		return sendJSON(w, code, answer)
	}
}
