package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
)

// status answers what systemctl status says of a unit on its machine.
func (a *API) status(w http.ResponseWriter, r *http.Request, by access.Caller) error {
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
func (a *API) journal(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q, err := parseQuery(r.URL.RawQuery, "machine", "lines", "follow", "output", "after", "cursors")
	if err != nil {
		return err
	}
	options, err := q.journal()
	if err != nil {
		return err
	}
	cursors, err := q.truth("cursors")
	switch {
	case err != nil:
		return err
	case cursors && !options.Follow:
		return api.Invalid("cursors without follow", "only a journal that is followed is sent with cursors")
	}
	r, leave, err := a.enterStream(r)
	if err != nil {
		return err
	}
	defer leave()
	return a.onMachine(w, r, by, q, func(name cluster.UnitName) error {
		if cursors {
			return a.followJournal(w, r, name, options)
		}
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

// aliveEvery is how often a followed journal that is silent says so.
const aliveEvery = 2 * time.Second

// followJournal streams pieces with cursors, one JSON value a line, until the
// client goes.
func (a *API) followJournal(w http.ResponseWriter, r *http.Request, name cluster.UnitName, options api.JournalOptions) error {
	w.Header().Set("Content-Type", api.MediaLines)
	w.Header().Set("Trailer", api.ErrorTrailer)
	out := newStream(w)
	ctx, cancel := context.WithCancel(r.Context())
	pieces, ended := make(chan api.JournalPiece), make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		ended <- a.config.Local.FollowJournal(ctx, name, options, func(p api.JournalPiece) error {
			select {
			case pieces <- p:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	defer reader.Wait()
	defer cancel()
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for piece := (api.JournalPiece{}); ; { // the first, empty, says that the journal is open
		line, err := encode(piece)
		if err == nil {
			_, err = out.Write(line)
		}
		if err != nil {
			return nil // the client went away
		}
		select {
		case piece = <-pieces:
		case <-alive.C:
			piece = api.JournalPiece{}
		case err := <-ended:
			if r.Context().Err() != nil {
				return nil
			}
			return fmt.Errorf("journal of %s on %s: %w", name, a.config.Host, err)
		}
	}
}

// restart has one machine restart a unit that is placed there. That is looked at
// on a member; the machine itself looks whether the unit is the cluster's.
func (a *API) restart(w http.ResponseWriter, r *http.Request, by access.Caller) error {
	q, err := parseQuery(r.URL.RawQuery, "machine")
	if err != nil {
		return err
	}
	name, err := unitName(r)
	if err != nil {
		return err
	}
	machine, err := q.machine()
	switch {
	case err != nil:
		return err
	case machine == "":
		return api.Invalid("no machine is named", "say which one: ?machine=ID")
	case machine == a.config.Self && by.Via != "":
		return a.restartHere(w, r, by, name)
	case a.config.Registry == nil:
		return a.notAMember()
	}
	if err := a.launchedOn(r.Context(), name, machine); err != nil {
		return err
	}
	if a.config.Audit != nil {
		if err := a.config.Audit.Asked(r.Context(), by, name, "restart on machine "+string(machine)+" unit"); err != nil {
			return err
		}
	}
	if machine == a.config.Self {
		return a.restartHere(w, r, by, name)
	}
	m, err := a.config.Registry.Machine(r.Context(), machine)
	if err != nil {
		return err
	}
	return a.passToMachine(w, r, by, r.URL, m)
}

// launchedOn says why a unit is not to run on a machine, if that is so.
func (a *API) launchedOn(ctx context.Context, name cluster.UnitName, machine cluster.MachineID) error {
	answer, err := a.config.Registry.Unit(ctx, 0, name)
	if err != nil {
		return err
	}
	for _, on := range answer.Unit.On {
		if on.Machine == machine && on.Placed != nil && on.Placed.Desired == cluster.Launched {
			return nil
		}
	}
	return &api.Error{
		Code: http.StatusConflict, Message: fmt.Sprintf("unit %s is not launched on machine %s", name, machine),
		Hint: fmt.Sprintf("'fleetctl why %s' tells where it is", name),
	}
}

// restartHere answers when the unit runs again, with an exit code as a command
// has, or with why it does not. That may take long: the headers go out at once.
func (a *API) restartHere(w http.ResponseWriter, r *http.Request, by access.Caller, name cluster.UnitName) error {
	announceOutput(w)
	_, _ = newStream(w).Write(nil)
	if err := a.config.Local.Restart(r.Context(), by.Account.Name, name); err != nil {
		return err
	}
	w.Header().Set(api.ExitTrailer, "0")
	return nil
}

// announceOutput says what comes: text, and behind it how it ended.
func announceOutput(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Trailer", api.ExitTrailer+", "+api.ErrorTrailer)
}

// onMachine answers here if this is the machine that has the unit, and passes
// the request on to that machine otherwise. Whoever is asked first looks whether the
// unit is the cluster's: other units of a machine are nobody's business.
func (a *API) onMachine(w http.ResponseWriter, r *http.Request, by access.Caller, q query, here func(cluster.UnitName) error) error {
	name, err := unitName(r)
	if err != nil {
		return err
	}
	machine, err := q.machine()
	if err != nil {
		return err
	}
	switch {
	case by.Via != "":
	case a.config.Registry == nil:
		if machine != "" && machine != a.config.Self {
			return a.notAMember()
		}
		err = a.config.Local.Owns(name)
		machine = a.config.Self
	case machine == "":
		machine, err = a.machineOf(r.Context(), name)
	default:
		_, err = a.config.Registry.Unit(r.Context(), 0, name)
	}
	switch {
	case err != nil:
		return err
	case machine == a.config.Self:
		return here(name)
	case a.config.Registry == nil:
		return a.notAMember()
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
		e := &api.Error{Code: http.StatusNotFound, Message: fmt.Sprintf("unit %s is on no machine", name)}
		switch {
		case answer.Unit.Reason != "":
			e.Message += ": " + answer.Unit.Reason
			e.Hint = fmt.Sprintf("'fleetctl why %s' tells of each machine", name)
		case answer.Unit.Desired == cluster.Inactive:
			e.Message += ": it is inactive, as wanted"
			e.Hint = "start it first"
		}
		return "", e
	}
	if slices.ContainsFunc(on, func(p api.Presence) bool { return p.Machine == a.config.Self }) {
		return a.config.Self, nil
	}
	return on[0].Machine, nil
}
