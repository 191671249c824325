package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"argosy/core/api"
	"argosy/core/cluster"
)

// Machines lists the machines that are there.
func (c *Client) Machines(ctx context.Context) (answer api.Machines, err error) {
	err = c.exchange(ctx, http.MethodGet, "/machines", c.reading(nil), nil, &answer)
	return answer, err
}

// MachinesAndAway lists the machines that are there, and those of which only
// labels are known.
func (c *Client) MachinesAndAway(ctx context.Context) (answer api.Machines, err error) {
	err = c.exchange(ctx, http.MethodGet, "/machines", c.reading(url.Values{"away": {"true"}}), nil, &answer)
	return answer, err
}

// SetLabels changes what operators say of a machine, or with change.DryRun tells
// what would be.
func (c *Client) SetLabels(ctx context.Context, id cluster.MachineID, change api.LabelsChange) (answer api.LabelsAnswer, err error) {
	err = c.exchange(ctx, http.MethodPatch, "/machines/"+url.PathEscape(string(id))+"/labels", nil, change, &answer)
	c.wrote(answer.Revision)
	return answer, err
}

// Claim tells the machine that is asked that by has its machine id, and returns
// who answers.
func (c *Client) Claim(ctx context.Context, by api.Identity) (answer api.Identity, err error) {
	err = c.exchange(ctx, http.MethodPost, "/claims", nil, by, &answer)
	return answer, err
}

// namesPerRequest keeps a request that names units well below what servers take.
const namesPerRequest = 1000

// Units lists all units.
func (c *Client) Units(ctx context.Context) (answer api.Units, err error) {
	err = c.exchange(ctx, http.MethodGet, "/units", c.reading(nil), nil, &answer)
	return answer, err
}

// UnitsNamed lists those of the units that there are.
func (c *Client) UnitsNamed(ctx context.Context, names []cluster.UnitName) (all api.Units, err error) {
	for _, some := range chunks(names) {
		var answer api.Units
		if err := c.exchange(ctx, http.MethodGet, "/units", c.reading(unitQuery(some)), nil, &answer); err != nil {
			return all, err
		}
		all = api.Units{Freshness: answer.Freshness, Units: append(all.Units, answer.Units...)}
	}
	return all, nil
}

// UnitsBeginning lists units whose names begin so.
func (c *Client) UnitsBeginning(ctx context.Context, b api.Beginning) (answer api.Units, err error) {
	err = c.exchange(ctx, http.MethodGet, "/units", c.reading(beginningQuery(b)), nil, &answer)
	return answer, err
}

// MachinesBeginning lists machines whose hostname or id begins so.
func (c *Client) MachinesBeginning(ctx context.Context, b api.Beginning) (answer api.Machines, err error) {
	err = c.exchange(ctx, http.MethodGet, "/machines", c.reading(beginningQuery(b)), nil, &answer)
	return answer, err
}

func beginningQuery(b api.Beginning) url.Values {
	q := url.Values{"prefix": {b.Prefix}}
	if b.Most > 0 {
		q.Set("limit", strconv.Itoa(b.Most))
	}
	return q
}

func unitQuery(names []cluster.UnitName) url.Values {
	q := url.Values{}
	for _, name := range names {
		q.Add("unit", string(name))
	}
	return q
}

func chunks(names []cluster.UnitName) (some [][]cluster.UnitName) {
	for len(names) > namesPerRequest {
		some, names = append(some, names[:namesPerRequest]), names[namesPerRequest:]
	}
	if len(names) > 0 {
		some = append(some, names)
	}
	return some
}

// Unit tells all about one unit, with its text.
func (c *Client) Unit(ctx context.Context, name cluster.UnitName) (answer api.UnitAnswer, err error) {
	err = c.exchange(ctx, http.MethodGet, unitPath(name), c.reading(nil), nil, &answer)
	return answer, err
}

// Why tells why a unit is where it is.
func (c *Client) Why(ctx context.Context, name cluster.UnitName) (answer api.Why, err error) {
	err = c.exchange(ctx, http.MethodGet, unitPath(name)+"/why", c.reading(nil), nil, &answer)
	return answer, err
}

// States lists what systemd says of all units.
func (c *Client) States(ctx context.Context) (answer api.States, err error) {
	err = c.exchange(ctx, http.MethodGet, "/states", c.reading(nil), nil, &answer)
	return answer, err
}

// SetUnit stores what is wanted of a unit.
func (c *Client) SetUnit(ctx context.Context, name cluster.UnitName, change api.UnitChange) (written api.Written, err error) {
	err = c.exchange(ctx, http.MethodPut, unitPath(name), nil, change, &written)
	c.wrote(written.Revision)
	return written, err
}

// Destroy takes a unit out of the cluster.
func (c *Client) Destroy(ctx context.Context, name cluster.UnitName) (written api.Written, err error) {
	err = c.exchange(ctx, http.MethodDelete, unitPath(name), nil, nil, &written)
	c.wrote(written.Revision)
	return written, err
}

func unitPath(name cluster.UnitName) string { return "/units/" + url.PathEscape(string(name)) }

// Status writes what systemctl status says of a unit to w, and returns its exit
// code. An empty machine stands for the one that has the unit.
func (c *Client) Status(ctx context.Context, name cluster.UnitName, machine cluster.MachineID, w io.Writer) (exitCode int, err error) {
	return c.output(ctx, unitPath(name)+"/status", machineQuery(machine), w)
}

// Journal writes what a unit has logged to w, until its end or, followed, that of ctx.
func (c *Client) Journal(ctx context.Context, name cluster.UnitName, machine cluster.MachineID, options api.JournalOptions, w io.Writer) (exitCode int, err error) {
	q := machineQuery(machine)
	q.Set("lines", strconv.Itoa(options.Lines))
	q.Set("follow", strconv.FormatBool(options.Follow))
	if options.Output != "" {
		q.Set("output", options.Output)
	}
	return c.output(ctx, unitPath(name)+"/journal", q, w)
}

// FollowJournal tells of what a unit has logged and goes on to log, piece by
// piece, until ctx ends or the stream breaks, which is always an error. Pieces
// without anything are not told.
func (c *Client) FollowJournal(ctx context.Context, name cluster.UnitName, machine cluster.MachineID, options api.JournalOptions, tell func(api.JournalPiece) error) error {
	q := machineQuery(machine)
	q.Set("lines", strconv.Itoa(options.Lines))
	q.Set("follow", "true")
	q.Set("cursors", "true")
	if options.Output != "" {
		q.Set("output", options.Output)
	}
	if options.After != "" {
		q.Set("after", options.After)
	}
	return stream(ctx, c, unitPath(name)+"/journal", q, func(piece api.JournalPiece) error {
		if len(piece.Text) == 0 && piece.Cursor == "" {
			return nil
		}
		return tell(piece)
	})
}

// Restart has one machine restart a unit, and returns when it runs there again.
func (c *Client) Restart(ctx context.Context, name cluster.UnitName, machine cluster.MachineID) error {
	response, err := c.open(ctx, http.MethodPost, unitPath(name)+"/restart", machineQuery(machine), nil)
	if err != nil {
		return err
	}
	_, err = copied(response, io.Discard)
	return err
}

func machineQuery(machine cluster.MachineID) url.Values {
	q := url.Values{}
	if machine != "" {
		q.Set("machine", string(machine))
	}
	return q
}

// output copies a command's output as it comes; the trailers tell how it ended.
func (c *Client) output(ctx context.Context, path string, q url.Values, w io.Writer) (exitCode int, err error) {
	response, err := c.open(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return 0, err
	}
	return copied(response, w)
}

// copied reads an answer of output to its end.
func copied(response *http.Response, w io.Writer) (exitCode int, err error) {
	defer response.Body.Close()
	if _, err := io.Copy(w, response.Body); err != nil {
		return 0, fmt.Errorf("read the output: %w", err)
	}
	if fault := response.Trailer.Get(api.ErrorTrailer); fault != "" {
		return 0, &api.Error{Code: http.StatusInternalServerError, Message: fault}
	}
	exitCode, err = strconv.Atoi(response.Trailer.Get(api.ExitTrailer))
	if err != nil {
		return 0, fmt.Errorf("read the output: it broke off before its end")
	}
	return exitCode, nil
}
