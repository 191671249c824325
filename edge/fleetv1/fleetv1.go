// Package fleetv1 serves fleet's own HTTP API, version 1, with its paths, methods
// and statuses, from what role/registry knows. Who may ask, and of which machine,
// is settled before a request comes here.
package fleetv1

import (
	"context"
	"net/http"
	"strings"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
)

// Registry knows the cluster. role/registry is one. least is the revision of the
// store that an answer must hold.
type Registry interface {
	Lists
	Finder
	Writer
}

// Lists are read page by page.
type Lists interface {
	Machines(ctx context.Context, least int64, away bool) (api.Machines, error)
	// UnitPage lists at most most units behind after by name, with their texts.
	UnitPage(ctx context.Context, least int64, after cluster.UnitName, most int) (api.UnitPage, error)
	// StatePage lists at most most states behind after, of the unit and the
	// machine in only where they are not empty.
	StatePage(ctx context.Context, least int64, only, after api.StateKey, most int) (api.StatePage, error)
}

// Finder tells of one unit: cluster.ErrNotFound where there is none.
type Finder interface {
	Unit(ctx context.Context, least int64, name cluster.UnitName) (api.UnitAnswer, error)
}

// Writer stores what is wanted. When it returns, reads tell of it.
type Writer interface {
	SetUnit(ctx context.Context, by access.Caller, name cluster.UnitName, change api.UnitChange) (api.Written, error)
	Destroy(ctx context.Context, by access.Caller, name cluster.UnitName) (api.Written, error)
	SetLabels(ctx context.Context, by access.Caller, id cluster.MachineID, change api.LabelsChange) (api.LabelsAnswer, error)
}

// Config is what a handler is made of.
type Config struct {
	Registry Registry
	By       func(*http.Request) access.Caller // who asks
	// May is nil for what that one may do, and else why they may not.
	May      func(r *http.Request, verb access.Verb, unit cluster.UnitName) error
	Version  string     // for the Server header
	PageRows func() int // rows of a page; nil for fleetv1.PageRows
}

// Handler answers below fleetv1.Base and fleetv1.AlphaBase.
type Handler struct {
	config Config
	all    []resource
}

// New makes the handler.
func New(c Config) *Handler {
	if c.PageRows == nil {
		c.PageRows = func() int { return fleetv1.PageRows }
	}
	h := &Handler{config: c}
	h.all = h.resources()
	return h
}

// A method answers a request, or returns why not; item is what the path names below
// its resource.
type method func(w http.ResponseWriter, r *http.Request, item string) error

// A rule is a method, and what a caller must be let do for it. A Change is of the unit
// that the path names.
type rule struct {
	verb   access.Verb
	answer method
}

// A resource is what lies at one path, with its methods. One whose path ends in a
// slash has items.
type resource struct {
	path      string
	methods   map[string]rule
	otherwise error // for any other method
}

// resources are all that there are.
func (h *Handler) resources() []resource {
	only := func(methods string) error {
		return refuse(http.StatusMethodNotAllowed, "only "+methods+" supported against this resource")
	}
	return []resource{
		{"", nil, refuse(http.StatusMethodNotAllowed, "this is the base of the API: name a resource, such as "+fleetv1.Base+"/units")},
		{"/machines", map[string]rule{"GET": {access.Read, h.machines}, "PATCH": {access.Label, h.patchMachines}}, only("GET and PATCH")},
		{"/units", map[string]rule{"GET": {access.Read, h.units}}, only("GET")},
		{"/units/", map[string]rule{
			"GET": {access.Read, h.unit}, "PUT": {access.Change, h.setUnit}, "DELETE": {access.Change, h.destroy},
		}, only("GET, PUT and DELETE")},
		{"/state", map[string]rule{"GET": {access.Read, h.states}}, only("GET")},
		{"/state/", map[string]rule{"GET": {access.Read, h.state}}, only("GET")},
		{"/discovery", map[string]rule{"GET": {access.Look, discovery}}, refuse(http.StatusBadRequest, "only HTTP GET supported against this resource")},
	}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "fleetd/"+h.config.Version)
	if err := h.answer(w, r); err != nil {
		sendError(w, err)
	}
}

// answer finds what answers a request, and asks whether it may. The path is read
// decoded: fleet's clients send web@1.service as web%401.service.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) error {
	path, below := strings.CutPrefix(r.URL.Path, fleetv1.Base)
	if !below {
		path, below = strings.CutPrefix(r.URL.Path, fleetv1.AlphaBase)
	}
	for _, found := range h.all {
		item, is := itemOf(path, found.path)
		if !below || !is {
			continue
		}
		to, known := found.methods[r.Method]
		if !known {
			return found.otherwise
		}
		var unit cluster.UnitName
		if to.verb == access.Change {
			// What is no unit's name matches no pattern but those of all units, and
			// the method says what is wrong with it.
			unit = cluster.UnitName(item)
		}
		if err := h.config.May(r, to.verb, unit); err != nil {
			return err
		}
		return to.answer(w, r, item)
	}
	return refuse(http.StatusNotFound, "no such resource: "+r.URL.Path)
}

// itemOf says whether a path is a resource's, or an item's of it, and which.
func itemOf(path, resource string) (item string, is bool) {
	if !strings.HasSuffix(resource, "/") {
		return "", path == resource
	}
	item, below := strings.CutPrefix(path, resource)
	return item, below && item != "" && !strings.Contains(item, "/")
}

func refuse(code int, message string) error { return &api.Error{Code: code, Message: message} }

func discovery(w http.ResponseWriter, _ *http.Request, _ string) error {
	return sendJSON(w, http.StatusOK, fleetv1.Discovery())
}
