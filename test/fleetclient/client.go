// Package fleetclient asks fleet's API, version 1, as fleet 1.0's own fleetctl
// did: the same paths, headers, queries and bodies, and the same reading of the
// answers. It is for tests that programs written against fleet still work.
//
// What is odd about those requests, seen in fleet's sources: the request line
// has the whole URL (the form for proxies, RFC 9112 3.2.2), with a host that
// means nothing; every unit's name is escaped as in a query, @ as %40; every
// query has alt=json; a page token is sent back as it came.
package fleetclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// Machine is what fleetctl reads of a machine.
type Machine struct {
	ID        string            `json:"id,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	PrimaryIP string            `json:"primaryIP,omitempty"`
}

// Option is one assignment of a unit file.
type Option struct {
	Name    string `json:"name,omitempty"`
	Section string `json:"section,omitempty"`
	Value   string `json:"value,omitempty"`
}

// Unit is what fleetctl reads of a unit, and sends to make or change one.
type Unit struct {
	CurrentState string    `json:"currentState,omitempty"`
	DesiredState string    `json:"desiredState,omitempty"`
	MachineID    string    `json:"machineID,omitempty"`
	Name         string    `json:"name,omitempty"`
	Options      []*Option `json:"options,omitempty"`
}

// State is what fleetctl reads of a unit on a machine.
type State struct {
	Hash               string `json:"hash,omitempty"`
	MachineID          string `json:"machineID,omitempty"`
	Name               string `json:"name,omitempty"`
	SystemdActiveState string `json:"systemdActiveState,omitempty"`
	SystemdLoadState   string `json:"systemdLoadState,omitempty"`
	SystemdSubState    string `json:"systemdSubState,omitempty"`
}

// Error is an answer that is no success.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return fmt.Sprintf("googleapi: Error %d: %s", e.Code, e.Message) }

// Client is safe for use by several goroutines.
type Client struct {
	http  http.Client
	Pages int // that lists were read in; for tests of paging
}

// New makes a client that dials as it is told: to a unix socket, or through a
// tunnel.
func New(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}
}

// Close ends the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Machines lists the machines, page by page.
func (c *Client) Machines() (all []*Machine, err error) {
	return list(c, "machines", nil, func(page *struct {
		Machines      []*Machine `json:"machines,omitempty"`
		NextPageToken string     `json:"nextPageToken,omitempty"`
	}) ([]*Machine, string) {
		return page.Machines, page.NextPageToken
	})
}

// Units lists the units, page by page.
func (c *Client) Units() (all []*Unit, err error) {
	return list(c, "units", nil, func(page *struct {
		NextPageToken string  `json:"nextPageToken,omitempty"`
		Units         []*Unit `json:"units,omitempty"`
	}) ([]*Unit, string) {
		return page.Units, page.NextPageToken
	})
}

// States lists the units' states, page by page, of one unit or machine where
// they are not empty.
func (c *Client) States(unit, machine string) (all []*State, err error) {
	query := url.Values{}
	if unit != "" {
		query.Set("unitName", unit)
	}
	if machine != "" {
		query.Set("machineID", machine)
	}
	return list(c, "state", query, func(page *struct {
		NextPageToken string   `json:"nextPageToken,omitempty"`
		States        []*State `json:"states,omitempty"`
	}) ([]*State, string) {
		return page.States, page.NextPageToken
	})
}

// list follows page tokens until a page has none.
func list[Page, Row any](c *Client, path string, query url.Values, read func(*Page) ([]Row, string)) (all []Row, err error) {
	token := ""
	for {
		asked := url.Values{}
		for key, values := range query {
			asked[key] = values
		}
		if token != "" {
			asked.Set("nextPageToken", token)
		}
		var page Page
		if err := c.do("GET", path, asked, nil, &page); err != nil {
			return nil, err
		}
		c.Pages++
		rows, next := read(&page)
		all = append(all, rows...)
		if len(next) == 0 {
			return all, nil
		}
		token = next
	}
}

// Unit is one unit, nil where there is none.
func (c *Client) Unit(name string) (*Unit, error) {
	unit := &Unit{}
	err := c.do("GET", "units/"+url.QueryEscape(name), nil, nil, unit)
	if e, is := err.(*Error); is && e.Code == http.StatusNotFound {
		return nil, nil
	}
	return unit, err
}

// State is one of the states of a unit.
func (c *Client) State(name string) (*State, error) {
	state := &State{}
	return state, c.do("GET", "state/"+url.QueryEscape(name), nil, nil, state)
}

// Create stores a unit with its options, and without saying what is wanted of it.
func (c *Client) Create(name string, options ...*Option) error {
	return c.do("PUT", "units/"+url.QueryEscape(name), nil, &Unit{Name: name, Options: options}, nil)
}

// SetTarget says what is wanted of a unit: inactive, loaded or launched.
func (c *Client) SetTarget(name, state string) error {
	return c.do("PUT", "units/"+url.QueryEscape(name), nil, &Unit{Name: name, DesiredState: state}, nil)
}

// Destroy removes a unit.
func (c *Client) Destroy(name string) error {
	return c.do("DELETE", "units/"+url.QueryEscape(name), nil, nil, nil)
}

// Operation is one of a PATCH of machines' metadata, as fleet's documents show it.
type Operation struct {
	Op    string `json:"op"` // add, replace or remove
	Path  string `json:"path"`
	Value string `json:"value,omitempty"`
}

// Patch changes machines' metadata.
func (c *Client) Patch(operations ...Operation) error {
	return c.do("PATCH", "machines", nil, operations, nil)
}

// Discovery is the document that clients in other languages are made from.
func (c *Client) Discovery() (document map[string]any, err error) {
	return document, c.do("GET", "discovery", nil, nil, &document)
}

func (c *Client) do(method, path string, query url.Values, body, answer any) error {
	if query == nil {
		query = url.Values{}
	}
	query.Set("alt", "json")
	var sent io.Reader
	if body != nil {
		var text bytes.Buffer
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
		sent = &text
	}
	request, err := http.NewRequest(method, "http://domain-sock/", sent)
	if err != nil {
		return err
	}
	// Opaque goes out as it stands, behind the scheme.
	request.URL.Opaque, request.URL.RawQuery = "//domain-sock/fleet/v1/"+path, query.Encode()
	request.Header.Set("User-Agent", "google-api-go-client/0.5")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return read(response, answer)
}

// read takes any 2xx for success, and of anything else the error object in it.
func read(response *http.Response, answer any) error {
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		var reply struct{ Error *Error }
		if json.Unmarshal(text, &reply) == nil && reply.Error != nil {
			return reply.Error
		}
		return &Error{Code: response.StatusCode, Message: string(text)}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}
