package fleetv1

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"argosy/core/access"
	"argosy/core/cluster"
)

// judged is every method of every resource, and what it takes. A new one fails the
// test until it stands here.
var judged = map[string]access.Verb{
	"GET /machines": access.Read, "PATCH /machines": access.Label, "GET /units": access.Read,
	"GET /units/": access.Read, "PUT /units/": access.Change, "DELETE /units/": access.Change,
	"GET /state": access.Read, "GET /state/": access.Read, "GET /discovery": access.Look,
}

func TestEveryMethodIsJudged(t *testing.T) {
	var asked access.Verb
	var of cluster.UnitName
	refusal := errors.New("not you")
	h := New(Config{May: func(_ *http.Request, verb access.Verb, unit cluster.UnitName) error {
		asked, of = verb, unit
		return refusal
	}})
	found := map[string]access.Verb{}
	for _, resource := range h.all {
		for method, to := range resource.methods {
			found[method+" "+resource.path] = to.verb
			for _, base := range []string{"/fleet/v1", "/v1-alpha"} {
				at, item := base+resource.path, ""
				if resource.path[len(resource.path)-1] == '/' {
					item = "web@1.service"
					at += "web%401.service"
				}
				asked, of = "", ""
				w := httptest.NewRecorder()
				// Nothing of the registry, which is not there, may be asked before.
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, at, nil))
				if asked != to.verb || to.verb == access.Change && string(of) != item || w.Code != http.StatusInternalServerError {
					t.Errorf("%s %s: asked whether one may %q %q, answered %d", method, at, asked, of, w.Code)
				}
			}
		}
	}
	if !reflect.DeepEqual(found, judged) {
		t.Errorf("there are %v, judged are %v", found, judged)
	}
}
