package fleetv1

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
)

// catchUp is how long a read waits for what is known here to come up to a
// revision of the store. In health that takes milliseconds.
const catchUp = time.Second

// atLeast calls read with a revision that its answer must hold. Where that does
// not come here in time, an older answer is better than none.
func atLeast(ctx context.Context, revision int64, read func(ctx context.Context, least int64) error) error {
	if revision > 0 {
		bounded, cancel := context.WithTimeout(ctx, catchUp)
		defer cancel()
		if err := read(bounded, revision); !errors.Is(err, cluster.ErrUnavailable) {
			return err
		}
	}
	return read(ctx, 0)
}

func (h *Handler) machines(w http.ResponseWriter, r *http.Request, _ string) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	from, err := pageToken(query, fleetv1.Machines)
	if err != nil {
		return err
	}
	var all api.Machines
	if err := atLeast(r.Context(), from.Revision, func(ctx context.Context, least int64) (err error) {
		all, err = h.config.Registry.Machines(ctx, least, false)
		return err
	}); err != nil {
		return err
	}
	var page fleetv1.MachinePage
	rows := h.config.PageRows()
	for _, m := range all.Machines {
		if m.OutOfTouch || from.Kind != 0 && m.ID <= from.Machine {
			continue // fleet listed whose agents it heard of
		}
		if n := len(page.Machines); n == rows {
			last := cluster.MachineID(page.Machines[n-1].ID)
			page.NextPageToken = next(fleetv1.Machines, from, all.Freshness, api.StateKey{Machine: last})
			break
		}
		page.Machines = append(page.Machines, fleetv1.MachineOf(m))
	}
	return sendRead(w, all.Freshness, page)
}

func (h *Handler) units(w http.ResponseWriter, r *http.Request, _ string) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	from, err := pageToken(query, fleetv1.Units)
	if err != nil {
		return err
	}
	var rows api.UnitPage
	if err := atLeast(r.Context(), from.Revision, func(ctx context.Context, least int64) (err error) {
		rows, err = h.config.Registry.UnitPage(ctx, least, from.Unit, h.config.PageRows())
		return err
	}); err != nil {
		return err
	}
	var page fleetv1.UnitPage
	for _, u := range rows.Units {
		page.Units = append(page.Units, fleetv1.UnitOf(u))
	}
	if rows.More {
		last := rows.Units[len(rows.Units)-1]
		page.NextPageToken = next(fleetv1.Units, from, rows.Freshness, api.StateKey{Unit: last.Name})
	}
	return sendRead(w, rows.Freshness, page)
}

func (h *Handler) states(w http.ResponseWriter, r *http.Request, _ string) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	from, err := pageToken(query, fleetv1.States)
	if err != nil {
		return err
	}
	only := api.StateKey{Unit: cluster.UnitName(query.Get("unitName")), Machine: cluster.MachineID(query.Get("machineID"))}
	after := api.StateKey{Unit: from.Unit, Machine: from.Machine}
	var rows api.StatePage
	if err := atLeast(r.Context(), from.Revision, func(ctx context.Context, least int64) (err error) {
		rows, err = h.config.Registry.StatePage(ctx, least, only, after, h.config.PageRows())
		return err
	}); err != nil {
		return err
	}
	var page fleetv1.UnitStatePage
	for _, s := range rows.States {
		page.States = append(page.States, fleetv1.UnitStateOf(s))
	}
	if rows.More {
		last := rows.States[len(rows.States)-1]
		page.NextPageToken = next(fleetv1.States, from, rows.Freshness, api.StateKey{Unit: last.Unit, Machine: last.Machine})
	}
	return sendRead(w, rows.Freshness, page)
}

// next is the token of the page behind the row last. All pages of a list hold
// the revision of its first one.
func next(kind fleetv1.Kind, from fleetv1.Token, fresh api.Freshness, last api.StateKey) string {
	revision := from.Revision
	if from.Kind == 0 {
		revision = fresh.Revision
	}
	return fleetv1.Token{Kind: kind, Revision: revision, Unit: last.Unit, Machine: last.Machine}.String()
}

// state answers with one of the unit's states: that of the first machine.
func (h *Handler) state(w http.ResponseWriter, r *http.Request, name string) error {
	only := api.StateKey{Unit: cluster.UnitName(name)}
	page, err := h.config.Registry.StatePage(r.Context(), 0, only, api.StateKey{}, 1)
	switch {
	case err != nil:
		return err
	case len(page.States) == 0:
		return &api.Error{Code: http.StatusNotFound, Message: fmt.Sprintf("no machine has the unit %q", name)}
	}
	return sendRead(w, page.Freshness, fleetv1.UnitStateOf(page.States[0]))
}
