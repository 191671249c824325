// Package fleetv1 serves fleet's own HTTP API, version 1, with its paths, methods
// and statuses, from what role/registry knows. Who may ask, and of which machine,
// is settled before a request comes here.
package fleetv1

import (
	"context"
	"net/http"
	"strings"

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
	SetUnit(ctx context.Context, by string, name cluster.UnitName, change api.UnitChange) (api.Written, error)
	Destroy(ctx context.Context, by string, name cluster.UnitName) (api.Written, error)
	SetLabels(ctx context.Context, by string, id cluster.MachineID, change api.LabelsChange) (api.LabelsAnswer, error)
}

// Config is what a handler is made of.
type Config struct {
	Registry Registry
	By       func(*http.Request) string // who asks
	Version  string                     // for the Server header
	PageRows func() int                 // rows of a page; nil for fleetv1.PageRows
}

// Handler answers below fleetv1.Base and fleetv1.AlphaBase.
type Handler struct{ config Config }

// New makes the handler.
func New(c Config) *Handler {
	if c.PageRows == nil {
		c.PageRows = func() int { return fleetv1.PageRows }
	}
	return &Handler{c}
}

// A method answers a request, or returns why not.
type method func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "fleetd/"+h.config.Version)
	if err := h.route(r)(w, r); err != nil {
		sendError(w, err)
	}
}

// route finds what answers a request. The path is read decoded: fleet's clients
// send web@1.service as web%401.service.
func (h *Handler) route(r *http.Request) method {
	path, below := strings.CutPrefix(r.URL.Path, fleetv1.Base)
	if !below {
		path, below = strings.CutPrefix(r.URL.Path, fleetv1.AlphaBase)
	}
	name, one := strings.CutPrefix(path, "/units/")
	state, oneState := strings.CutPrefix(path, "/state/")
	switch {
	case !below:
	case path == "":
		return refuse(http.StatusMethodNotAllowed, "this is the base of the API: name a resource, such as "+fleetv1.Base+"/units")
	case path == "/machines":
		return choose(r, "only GET and PATCH supported against this resource", map[string]method{"GET": h.machines, "PATCH": h.patchMachines})
	case path == "/units":
		return choose(r, "only GET supported against this resource", map[string]method{"GET": h.units})
	case one && isItem(name):
		return choose(r, "only GET, PUT and DELETE supported against this resource", map[string]method{
			"GET": h.unit(name), "PUT": h.setUnit(name), "DELETE": h.destroy(name),
		})
	case path == "/state":
		return choose(r, "only GET supported against this resource", map[string]method{"GET": h.states})
	case oneState && isItem(state):
		return choose(r, "only GET supported against this resource", map[string]method{"GET": h.state(state)})
	case path == "/discovery" && r.Method == "GET":
		return discovery
	case path == "/discovery":
		return refuse(http.StatusBadRequest, "only HTTP GET supported against this resource")
	}
	return refuse(http.StatusNotFound, "no such resource: "+r.URL.Path)
}

func isItem(name string) bool { return name != "" && !strings.Contains(name, "/") }

func choose(r *http.Request, otherwise string, methods map[string]method) method {
	if m, known := methods[r.Method]; known {
		return m
	}
	return refuse(http.StatusMethodNotAllowed, otherwise)
}

func refuse(code int, message string) method {
	return func(http.ResponseWriter, *http.Request) error { return &api.Error{Code: code, Message: message} }
}

func discovery(w http.ResponseWriter, _ *http.Request) error {
	return sendJSON(w, http.StatusOK, fleetv1.Discovery())
}
