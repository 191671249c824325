package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"argosy/core/api"
)

func (a *API) machines(w http.ResponseWriter, r *http.Request, by caller) error {
	q, err := parseQuery(r.URL.RawQuery, "minRevision", "prefix", "limit")
	if err != nil {
		return err
	}
	least, err := q.least()
	if err != nil {
		return err
	}
	begins, err := q.beginning()
	if err != nil {
		return err
	}
	if a.config.Registry == nil {
		return a.passToMember(w, r, by, nil)
	}
	answer, err := a.config.Registry.MachinesBeginning(r.Context(), least, begins)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

func (a *API) states(w http.ResponseWriter, r *http.Request, by caller) error {
	q, err := parseQuery(r.URL.RawQuery, "minRevision", "machine")
	if err != nil {
		return err
	}
	least, err := q.least()
	if err != nil {
		return err
	}
	machine, err := q.machine()
	if err != nil {
		return err
	}
	if a.config.Registry == nil {
		return a.passToMember(w, r, by, nil)
	}
	answer, err := a.config.Registry.States(r.Context(), least, machine)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

func (a *API) units(w http.ResponseWriter, r *http.Request, by caller) error {
	q, err := parseQuery(r.URL.RawQuery, "minRevision", "unit", "prefix", "limit")
	if err != nil {
		return err
	}
	least, err := q.least()
	if err != nil {
		return err
	}
	names, err := q.units()
	if err != nil {
		return err
	}
	begins, err := q.beginning()
	switch {
	case err != nil:
		return err
	case names != nil && !begins.Any():
		return api.Invalid("unit with prefix or limit", "name units, or say how they begin")
	case a.config.Registry == nil:
		return a.passToMember(w, r, by, nil)
	}
	var answer api.Units
	if begins.Any() {
		answer, err = a.config.Registry.Units(r.Context(), least, names)
	} else {
		answer, err = a.config.Registry.UnitsBeginning(r.Context(), least, begins)
	}
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

func (a *API) unit(w http.ResponseWriter, r *http.Request, by caller) error {
	q, err := parseQuery(r.URL.RawQuery, "minRevision")
	if err != nil {
		return err
	}
	least, err := q.least()
	if err != nil {
		return err
	}
	name, err := unitName(r)
	if err != nil {
		return err
	}
	if a.config.Registry == nil {
		return a.passToMember(w, r, by, nil)
	}
	answer, err := a.config.Registry.Unit(r.Context(), least, name)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

func (a *API) setUnit(w http.ResponseWriter, r *http.Request, by caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	name, err := unitName(r)
	if err != nil {
		return err
	}
	if err := checkType(r); err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	if a.config.Registry == nil {
		return a.passToMember(w, r, by, body)
	}
	change, err := parseChange(body)
	if err != nil {
		return err
	}
	who := by.name
	if change.By != "" {
		who = fmt.Sprintf("%s for %s", by.name, change.By)
	}
	written, err := a.config.Registry.SetUnit(r.Context(), who, name, change)
	if err != nil {
		return err
	}
	code := http.StatusOK
	if written.Created {
		code = http.StatusCreated
	}
	return sendJSON(w, code, written)
}

func (a *API) destroy(w http.ResponseWriter, r *http.Request, by caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	name, err := unitName(r)
	if err != nil {
		return err
	}
	if a.config.Registry == nil {
		return a.passToMember(w, r, by, nil)
	}
	written, err := a.config.Registry.Destroy(r.Context(), by.name, name)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, written)
}

// watch streams each named unit as it is, at each change, until the client goes.
func (a *API) watch(w http.ResponseWriter, r *http.Request, by caller) error {
	q, err := parseQuery(r.URL.RawQuery, "minRevision", "unit")
	if err != nil {
		return err
	}
	least, err := q.least()
	if err != nil {
		return err
	}
	names, err := q.units()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return api.Invalid("a watch of nothing", "name units: "+api.Base+"/watch?unit=web.service&unit=db.service")
	}
	r, leave, err := a.enterStream(r)
	if err != nil {
		return err
	}
	defer leave()
	if a.config.Registry == nil {
		return a.passToMember(w, r, by, nil)
	}
	w.Header().Set("Content-Type", api.MediaLines)
	w.Header().Set("Trailer", api.ErrorTrailer)
	out := newStream(w)
	return a.config.Registry.Watch(r.Context(), least, names, func(line api.WatchLine) error {
		text, err := encode(line)
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	})
}

// enterStream counts a stream in, and has its request end when the server
// closes; leave counts it out.
func (a *API) enterStream(r *http.Request) (under *http.Request, leave func(), err error) {
	select {
	case a.streams <- struct{}{}:
	default:
		return nil, nil, &api.Error{
			Code: http.StatusTooManyRequests, Message: fmt.Sprintf("%d streams are open on this machine", maxStreams),
			Hint: "close some, or ask another machine",
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	detach := func() bool { return true }
	if closing, served := r.Context().Value(closingKey{}).(context.Context); served {
		detach = context.AfterFunc(closing, cancel)
	}
	return r.WithContext(ctx), func() {
		detach()
		cancel()
		<-a.streams
	}, nil
}
