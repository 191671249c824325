package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"argosy/core/api"
)

// handler answers a request of a known caller, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request, by caller) error

// paths lists what is below api.Base, with its methods. openapi.yaml describes it.
func (a *API) paths() map[string]map[string]handler {
	return map[string]map[string]handler{
		"/machines":             {"GET": a.reads(a.machines, "away", "prefix", "limit", "continue")},
		"/machines/{id}/labels": {"PATCH": a.writes(a.setLabels)},
		"/states":               {"GET": a.reads(a.states, "machine", "limit", "continue")},
		"/units":                {"GET": a.reads(a.units, "unit", "prefix", "limit", "continue")},
		"/units/{name}":         {"GET": a.reads(a.unit), "PUT": a.writes(a.setUnit), "DELETE": a.writes(a.destroy)},
		"/units/{name}/why":     {"GET": a.reads(a.why)},
		"/units/{name}/status":  {"GET": a.status},
		"/units/{name}/journal": {"GET": a.journal},
		"/units/{name}/restart": {"POST": a.restart},
		"/watch":                {"GET": a.watch},
		"/claims":               {"POST": a.claims},
		"/openapi.json":         {"GET": a.document},
	}
}

// route makes a handler of all paths.
func (a *API) route() *http.ServeMux {
	mux := http.NewServeMux()
	for path, methods := range a.paths() {
		mux.Handle(api.Base+path, a.endpoint(api.Base+path, methods))
	}
	for base, other := range a.config.Beside {
		mux.Handle(base, a.beside(base, other))
		mux.Handle(base+"/", a.beside(base, other))
	}
	mux.Handle("/healthz", a.endpoint("/healthz", map[string]handler{"GET": a.healthz}))
	mux.Handle("/readyz", a.endpoint("/readyz", map[string]handler{"GET": a.readyz}))
	mux.Handle("/metrics", a.endpoint("/metrics", map[string]handler{"GET": a.metrics}))
	mux.Handle("/{$}", a.endpoint("/", map[string]handler{"GET": a.root, "PUT": a.root, "POST": a.root, "DELETE": a.root, "PATCH": a.root}))
	mux.Handle("/", a.endpoint("other", nil))
	return mux
}

// endpoint answers one path: it finds out who asks, chooses by method, counts,
// and turns errors into answers.
func (a *API) endpoint(path string, methods map[string]handler) http.Handler {
	allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := &sender{ResponseWriter: w}
		defer a.measures.count(path, r.Method, sent)()
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		by, err := a.caller(r)
		handle, known := methods[method]
		switch {
		case err != nil:
		case methods == nil:
			err = &api.Error{Code: http.StatusNotFound, Message: r.URL.Path + ": no such path", Hint: "the API is below " + api.Base}
		case !known:
			w.Header().Set("Allow", allow)
			err = &api.Error{Code: http.StatusMethodNotAllowed, Message: r.Method + " is not for " + r.URL.Path, Hint: "it takes " + allow}
		default:
			err = handle(sent, r, by)
		}
		if err != nil {
			sendError(sent, err)
		}
	})
}
