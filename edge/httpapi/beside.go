package httpapi

import (
	"context"
	"net/http"

	"argosy/core/access"
	"argosy/core/cluster"
)

type byKey struct{}

// By is who asks, in a request that has been handed to one of Config.Beside.
func By(r *http.Request) access.Caller {
	by, _ := r.Context().Value(byKey{}).(access.Caller)
	return by
}

// May judges who asks such a request. Whoever answers it asks first.
func (a *API) May(r *http.Request, verb access.Verb, unit cluster.UnitName) error {
	return a.may(r, By(r), verb, unit)
}

// beside answers what lies below base from another API, which judges itself: it
// tells that one who asks.
func (a *API) beside(base string, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := &sender{ResponseWriter: w}
		defer a.measures.count(base, r.Method, sent)()
		by, err := a.known(r)
		switch {
		case err != nil:
		case a.config.Registry == nil:
			err = a.notAMember()
		default:
			r, leave := a.welcome(r, by, "")
			defer leave()
			other.ServeHTTP(sent, r.WithContext(context.WithValue(r.Context(), byKey{}, by)))
		}
		if err != nil {
			sendError(sent, err)
		}
		a.recordConflict(r, by, access.Change, sent.code, err)
	})
}
