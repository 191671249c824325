// Package fleetv1 holds fleet's own HTTP API of 2014, version 1, as values: its
// JSON, its unit files as lists of options, its page tokens and what it refuses.
// Programs written against fleet 1.0 meet the same bytes here; edge/fleetv1
// serves them. Our own API is core/api.
package fleetv1

import (
	"maps"

	"argosy/core/api"
)

// Base is where the paths of this API start. fleet served the same below
// AlphaBase, from before the API was called stable.
const (
	Base      = "/fleet/v1"
	AlphaBase = "/v1-alpha"
)

// PageRows is how many rows a page has: fleet's default of token_limit.
const PageRows = 100

// Headers beside fleet's: an answer may come from memory while the store cannot
// be reached.
const (
	// AgeHeader is the answer's age in whole seconds, as in RFC 9111 5.1.
	AgeHeader = "Age"
	// StaleHeader is there when the store cannot be reached, and says since when.
	StaleHeader = "Argosy-Stale"
)

// Unavailable is fleet's message of status 503.
const Unavailable = "fleet server unable to communicate with etcd"

// The fields stand in the order of fleet's answers, which is alphabetical, and
// are left out where empty, as there.

// Machine is one machine.
type Machine struct {
	ID        string            `json:"id,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	PrimaryIP string            `json:"primaryIP,omitempty"`
}

// MachinePage answers GET machines.
type MachinePage struct {
	Machines      []Machine `json:"machines,omitempty"`
	NextPageToken string    `json:"nextPageToken,omitempty"`
}

// Option is one assignment of a unit file. A value of several lines has a
// backslash before each line break.
type Option struct {
	Name    string `json:"name,omitempty"`
	Section string `json:"section,omitempty"`
	Value   string `json:"value,omitempty"`
}

// Unit is what is wanted of a unit and where it is. CurrentState and MachineID
// are empty for a global unit.
type Unit struct {
	CurrentState string   `json:"currentState,omitempty"`
	DesiredState string   `json:"desiredState,omitempty"`
	MachineID    string   `json:"machineID,omitempty"`
	Name         string   `json:"name,omitempty"`
	Options      []Option `json:"options,omitempty"`
}

// UnitPage answers GET units.
type UnitPage struct {
	NextPageToken string `json:"nextPageToken,omitempty"`
	Units         []Unit `json:"units,omitempty"`
}

// UnitState is what systemd says of a unit on one machine.
type UnitState struct {
	Hash               string `json:"hash,omitempty"`
	MachineID          string `json:"machineID,omitempty"`
	Name               string `json:"name,omitempty"`
	SystemdActiveState string `json:"systemdActiveState,omitempty"`
	SystemdLoadState   string `json:"systemdLoadState,omitempty"`
	SystemdSubState    string `json:"systemdSubState,omitempty"`
}

// UnitStatePage answers GET state.
type UnitStatePage struct {
	NextPageToken string      `json:"nextPageToken,omitempty"`
	States        []UnitState `json:"states,omitempty"`
}

// Error is what is answered instead. Code is the HTTP status.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// ErrorBody is an Error as sent.
type ErrorBody struct {
	Error Error `json:"error"`
}

// ErrorOf gives an error fleet's form, which has no place for a hint of its own.
func ErrorOf(err error) Error {
	e := api.AsError(err)
	switch {
	case e.Code == 503:
		return Error{e.Code, Unavailable}
	case e.Hint != "":
		return Error{e.Code, e.Message + "; " + e.Hint}
	}
	return Error{e.Code, e.Message}
}

// MachineOf is a machine in fleet's words.
func MachineOf(m api.Machine) Machine {
	return Machine{ID: string(m.ID), Metadata: maps.Clone(m.Metadata), PrimaryIP: m.IP}
}

// UnitOf is a unit in fleet's words. u carries its text.
func UnitOf(u api.Unit) Unit {
	unit := Unit{Name: string(u.Name), DesiredState: string(u.Desired), CurrentState: string(u.Current)}
	// What is stored was checked when it came in. Should it not be readable all
	// the same, the unit is shown without options, so that it can be destroyed.
	unit.Options, _ = OptionsOf(u.Bundle())
	if u.Global {
		return unit
	}
	for _, on := range u.On {
		if on.Placed != nil {
			unit.MachineID = string(on.Machine)
			break
		}
	}
	return unit
}

// UnitStateOf is a unit's state in fleet's words.
func UnitStateOf(s api.State) UnitState {
	return UnitState{
		Name: string(s.Unit), MachineID: string(s.Machine), Hash: string(s.Hash),
		SystemdLoadState: s.Load, SystemdActiveState: s.Active, SystemdSubState: s.Sub,
	}
}
