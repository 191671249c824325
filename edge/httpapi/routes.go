package httpapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// handler answers a request of a known caller, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request, by access.Caller) error

// A place says which machines answer a route.
type place bool

const (
	onMembers place = false
	onAny     place = true // also a machine that is no member
)

// A route is how one method of a path is answered, where, and what a caller must be
// let do for it. A Change is of the unit that the path names.
type route struct {
	verb   access.Verb
	place  place
	answer handler
}

// paths lists what is below api.Base, with its methods. openapi.yaml describes it.
func (a *API) paths() map[string]map[string]route {
	return map[string]map[string]route{
		"/machines":             {"GET": {access.Read, onMembers, a.reads(a.machines, "away", "prefix", "limit", "continue")}},
		"/machines/{id}/labels": {"PATCH": {access.Label, onMembers, a.writes(a.setLabels)}},
		"/states":               {"GET": {access.Read, onMembers, a.reads(a.states, "machine", "limit", "continue")}},
		"/units":                {"GET": {access.Read, onMembers, a.reads(a.units, "unit", "prefix", "limit", "continue")}},
		"/units/{name}": {
			"GET":    {access.Read, onMembers, a.reads(a.unit)},
			"PUT":    {access.Change, onMembers, a.writes(a.setUnit)},
			"DELETE": {access.Change, onMembers, a.writes(a.destroy)},
		},
		"/units/{name}/why":     {"GET": {access.Read, onMembers, a.reads(a.why)}},
		"/units/{name}/status":  {"GET": {access.Read, onAny, a.status}},
		"/units/{name}/journal": {"GET": {access.Read, onAny, a.journal}},
		"/units/{name}/restart": {"POST": {access.Change, onAny, a.restart}},
		"/secrets":              {"GET": {access.Read, onMembers, a.secrets}},
		"/secrets/{name}": {
			"GET":    {access.Serve, onMembers, a.giveSecret},
			"PUT":    {access.Govern, onMembers, a.writes(a.setSecret)},
			"DELETE": {access.Govern, onMembers, a.removeSecret},
		},
		"/keys": {"GET": {access.Share, onMembers, a.keys}},
		"/policy": {
			"GET": {access.Read, onMembers, a.policy},
			"PUT": {access.Govern, onMembers, a.writes(a.setPolicy)},
		},
		"/people": {"GET": {access.Govern, onMembers, a.people}},
		"/people/{name}": {
			"PUT":    {access.Govern, onMembers, a.writes(a.setPerson)},
			"DELETE": {access.Govern, onMembers, a.writes(a.removePerson)},
		},
		"/people/{name}/revoke": {"POST": {access.Govern, onMembers, a.revokePerson}},
		"/people/{name}/tokens": {"POST": {access.Govern, onMembers, a.writes(a.invite)}},
		"/audit":                {"GET": {access.Govern, onMembers, a.audit}},

		"/watch":           {"GET": {access.Read, onMembers, a.watch}},
		"/claims":          {"POST": {access.Serve, onAny, a.claims}},
		"/openapi.json":    {"GET": {access.Look, onAny, a.document}},
		"/contents/{hash}": {"GET": {access.Serve, onMembers, a.content}},
		"/cluster":         {"GET": {access.Serve, onMembers, a.cluster}, "POST": {access.Serve, onAny, a.clusterChanged}},
	}
}

// others lists what is beside api.Base.
func (a *API) others() map[string]map[string]route {
	root, measures := route{access.Look, onAny, a.root}, access.Read
	if a.config.Registry == nil {
		measures = access.Look // it cannot know who may read
	}
	return map[string]map[string]route{
		"/healthz": {"GET": {access.Look, onAny, a.healthz}},
		"/readyz":  {"GET": {access.Look, onAny, a.readyz}},
		"/metrics": {"GET": {measures, onAny, a.metrics}},
		"/{$}":     {"GET": root, "PUT": root, "POST": root, "DELETE": root, "PATCH": root},
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
	for path, methods := range a.others() {
		mux.Handle(path, a.endpoint(strings.TrimSuffix(path, "{$}"), methods))
	}
	mux.Handle("/", a.endpoint("other", nil))
	return mux
}

// endpoint answers one path: it finds out who asks, chooses by method, counts,
// and turns errors into answers.
func (a *API) endpoint(path string, methods map[string]route) http.Handler {
	allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := &sender{ResponseWriter: w}
		defer a.measures.count(path, r.Method, sent)()
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		by, err := a.known(r)
		found, known := methods[method]
		switch {
		case err != nil:
		case methods == nil:
			err = &api.Error{Code: http.StatusNotFound, Message: r.URL.Path + ": no such path", Hint: "the API is below " + api.Base}
		case !known:
			w.Header().Set("Allow", allow)
			err = &api.Error{Code: http.StatusMethodNotAllowed, Message: r.Method + " is not for " + r.URL.Path, Hint: "it takes " + allow}
		default:
			err = a.admit(sent, r, by, found)
		}
		a.recordConflict(r, by, found.verb, sent.code, err)
		if err != nil {
			sendError(sent, err)
		}
	})
}

// admit answers a caller who may ask this, here.
func (a *API) admit(w http.ResponseWriter, r *http.Request, by access.Caller, to route) error {
	if a.config.Registry == nil && to.place == onMembers {
		return a.notAMember()
	}
	var unit cluster.UnitName
	if to.verb == access.Change {
		var err error
		if unit, err = unitName(r); err != nil {
			return err
		}
	}
	if err := a.may(r, by, to.verb, unit); err != nil {
		return err
	}
	r, leave := a.welcome(r, by, to.verb)
	defer leave()
	err := to.answer(w, r, by)
	return cutShort(r, err)
}

// cutShort is why a request was ended though its caller had been let in, where it was.
func cutShort(r *http.Request, err error) error {
	var refused *access.Refused
	if errors.As(context.Cause(r.Context()), &refused) {
		return refused
	}
	return err
}

// may judges a caller.
func (a *API) may(r *http.Request, by access.Caller, verb access.Verb, unit cluster.UnitName) error {
	if a.config.Registry == nil && by.Who.Kind == access.Person && verb != access.Look && verb != access.Serve {
		return a.notAMember()
	}
	err := access.May(by, verb, unit)
	a.recordRefusal(r, by, verb, err)
	return err
}

// notAMember says where else to ask.
func (a *API) notAMember() error {
	return &api.Error{
		Code: http.StatusForbidden, Message: a.config.Host + " is no member of the cluster: it answers of its own units alone, and asks for nobody else",
		Hint: "log in once, 'fleetctl login NAME@MEMBER:49154', and fleetctl asks a member in your name, also from here",
	}
}
