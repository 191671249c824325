package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"argosy/core/api"
	"argosy/core/cluster"
)

// status answers what systemctl status says of a unit on its machine.
func (a *API) status(w http.ResponseWriter, r *http.Request, by caller) error {
	q, err := parseQuery(r.URL.RawQuery, "machine")
	if err != nil {
		return err
	}
	return a.onMachine(w, r, by, q, func(name cluster.UnitName) error {
		text, code, err := a.config.Local.Status(r.Context(), name)
		if err != nil {
			return fmt.Errorf("status of %s on %s: %w", name, a.config.Host, err)
		}
		announceOutput(w)
		_, _ = newStream(w).Write([]byte(text)) // a client that went away needs no more
		w.Header().Set(api.ExitTrailer, strconv.Itoa(code))
		return nil
	})
}

// journal answers what a unit has logged on its machine.
func (a *API) journal(w http.ResponseWriter, r *http.Request, by caller) error {
	q, err := parseQuery(r.URL.RawQuery, "machine", "lines", "follow", "output")
	if err != nil {
		return err
	}
	options, err := q.journal()
	if err != nil {
		return err
	}
	r, leave, err := a.enterStream(r)
	if err != nil {
		return err
	}
	defer leave()
	return a.onMachine(w, r, by, q, func(name cluster.UnitName) error {
		announceOutput(w)
		out := newStream(w)
		if options.Follow {
			_, _ = out.Write(nil) // the journal may stay silent: the client must know that it is open
		}
		err := a.config.Local.Journal(r.Context(), name, options, out)
		switch {
		case r.Context().Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("journal of %s on %s: %w", name, a.config.Host, err)
		}
		_, _ = out.Write(nil)
		w.Header().Set(api.ExitTrailer, "0")
		return nil
	})
}

// announceOutput says what comes: text, and behind it how it ended.
func announceOutput(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Trailer", api.ExitTrailer+", "+api.ErrorTrailer)
}

// onMachine answers here if this is the machine that has the unit, and passes
// the request on to that machine otherwise.
func (a *API) onMachine(w http.ResponseWriter, r *http.Request, by caller, q query, here func(cluster.UnitName) error) error {
	name, err := unitName(r)
	if err != nil {
		return err
	}
	machine, err := q.machine()
	if err != nil {
		return err
	}
	if machine == a.config.Self {
		return here(name)
	}
	if a.config.Registry == nil {
		return a.passToMember(w, r, by, nil)
	}
	if machine == "" {
		if machine, err = a.machineOf(r.Context(), name); err != nil {
			return err
		}
		if machine == a.config.Self {
			return here(name)
		}
	}
	m, err := a.config.Registry.Machine(r.Context(), machine)
	if err != nil {
		return err
	}
	to := *r.URL
	values := to.Query()
	values.Set("machine", string(machine))
	to.RawQuery = values.Encode()
	return a.passToMachine(w, r, by, &to, m)
}

// machineOf chooses the machine to ask about a unit: this one if the unit is
// here, else the first that has it.
func (a *API) machineOf(ctx context.Context, name cluster.UnitName) (cluster.MachineID, error) {
	answer, err := a.config.Registry.Unit(ctx, 0, name)
	if err != nil {
		return "", err
	}
	on := answer.Unit.On
	if len(on) == 0 {
		message := fmt.Sprintf("unit %s is on no machine", name)
		switch {
		case answer.Unit.Reason != "":
			message += ": " + answer.Unit.Reason
		case answer.Unit.Desired == cluster.Inactive:
			message += ": it is inactive, as wanted"
		}
		return "", &api.Error{Code: http.StatusNotFound, Message: message}
	}
	if slices.ContainsFunc(on, func(p api.Presence) bool { return p.Machine == a.config.Self }) {
		return a.config.Self, nil
	}
	return on[0].Machine, nil
}

// passToMachine passes a request on to the fleetd of one machine.
func (a *API) passToMachine(w http.ResponseWriter, r *http.Request, by caller, to *url.URL, m cluster.Machine) error {
	if m.API == "" {
		return &api.Error{Code: http.StatusBadGateway, Message: fmt.Sprintf("%s has not told where its API is", m.Name)}
	}
	return a.pass(w, r, by, hop{to, []string{m.API}, m.Name + " did not answer"}, nil)
}
