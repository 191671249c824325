package httpapi

import (
	"context"
	"net/http"
)

type byKey struct{}

// By is who asks, in a request that has been handed to one of Config.Beside.
func By(r *http.Request) string {
	name, _ := r.Context().Value(byKey{}).(string)
	return name
}

// beside answers what lies below base from another API: it finds out who asks,
// and passes the request on to a member where this machine is none.
func (a *API) beside(base string, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := &sender{ResponseWriter: w}
		defer a.measures.count(base, r.Method, sent)()
		by, err := a.caller(r)
		switch {
		case err != nil:
		case a.config.Registry != nil:
			other.ServeHTTP(sent, r.WithContext(context.WithValue(r.Context(), byKey{}, by.name)))
		default:
			var body []byte
			if body, err = readBody(w, r); err == nil {
				err = a.passToMember(sent, r, by, body)
			}
		}
		if err != nil {
			sendError(sent, err)
		}
	})
}
