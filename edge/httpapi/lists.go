package httpapi

import (
	"maps"
	"net/http"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

func (a *API) machines(r *http.Request, q query, least int64) (any, error) {
	away, err := q.truth("away")
	if err != nil {
		return nil, err
	}
	if q.values.Has("prefix") {
		begins, err := q.beginning("away")
		if err != nil {
			return nil, err
		}
		return a.config.Registry.MachinesBeginning(r.Context(), least, begins)
	}
	if !q.paged() {
		return a.config.Registry.Machines(r.Context(), least, away)
	}
	next, err := a.next(q, "machines")
	if err != nil {
		return nil, err
	}
	answer, more, err := a.config.Registry.MachinesPage(r.Context(), least, next.From, away)
	if n := len(answer.Machines); more && n > 0 {
		answer.Continue = a.behind(next, answer.Freshness, api.StateKey{Machine: answer.Machines[n-1].ID})
	}
	return answer, err
}

func (a *API) states(r *http.Request, q query, least int64) (any, error) {
	machine, err := q.machine()
	if err != nil {
		return nil, err
	}
	if !q.paged() {
		return a.config.Registry.States(r.Context(), least, machine)
	}
	next, err := a.next(q, "states")
	if err != nil {
		return nil, err
	}
	answer, more, err := a.config.Registry.StatesPage(r.Context(), least, next.From, machine)
	if n := len(answer.States); more && n > 0 {
		last := answer.States[n-1]
		answer.Continue = a.behind(next, answer.Freshness, api.StateKey{Unit: last.Unit, Machine: last.Machine})
	}
	return answer, err
}

func (a *API) units(r *http.Request, q query, least int64) (any, error) {
	names, err := q.units()
	if err != nil {
		return nil, err
	}
	if q.values.Has("prefix") {
		begins, err := q.beginning("unit")
		if err != nil {
			return nil, err
		}
		return a.config.Registry.UnitsBeginning(r.Context(), least, begins)
	}
	if !q.paged() {
		return a.config.Registry.Units(r.Context(), least, names)
	}
	next, err := a.next(q, "units")
	if err != nil {
		return nil, err
	}
	answer, more, err := a.config.Registry.UnitsPage(r.Context(), least, next.From, names)
	if n := len(answer.Units); more && n > 0 {
		answer.Continue = a.behind(next, answer.Freshness, api.StateKey{Unit: answer.Units[n-1].Name})
	}
	return answer, err
}

// paged says that a page is asked for, and not the whole list.
func (q query) paged() bool { return q.values.Has("limit") || q.values.Has("continue") }

// filter is what a list is asked for beside its pages, whatever the order.
func (q query) filter() string {
	rest := maps.Clone(q.values)
	for _, paging := range []string{"limit", "continue", "minRevision"} {
		rest.Del(paging)
	}
	return rest.Encode()
}

// elsewhere says that another machine keeps the list that is gone on with.
type elsewhere struct{ cluster.MachineID }

func (e elsewhere) Error() string { return "machine " + string(e.MachineID) + " keeps the list" }

// next is the page that is asked for.
func (a *API) next(q query, list string) (api.Continue, error) {
	most, err := q.number("limit", 0, 1, api.MostRows)
	if err != nil {
		return api.Continue{}, err
	}
	if most == 0 {
		return api.Continue{}, api.Invalid("continue without limit", "say limit= too: how many rows a page may have")
	}
	next := api.Continue{List: list, Filter: q.filter(), Holder: a.config.Self}
	if token := q.values.Get("continue"); token != "" {
		if next, err = api.ParseContinue(token, list, next.Filter); err != nil {
			return next, err
		}
	}
	if next.Holder != a.config.Self {
		return next, elsewhere{next.Holder}
	}
	next.From.Most = int(most)
	return next, nil
}

// behind is the token of the page behind the row last.
func (a *API) behind(page api.Continue, fresh api.Freshness, last api.StateKey) string {
	page.From = api.From{Revision: fresh.Revision, After: last}
	return page.Token()
}

// passToHolder passes the request for a page on to the machine that keeps the list.
func (a *API) passToHolder(w http.ResponseWriter, r *http.Request, by access.Caller, holder cluster.MachineID) error {
	m, err := a.config.Registry.Machine(r.Context(), holder)
	if err != nil {
		return api.Expired()
	}
	return a.passToMachine(w, r, by, r.URL, m)
}
