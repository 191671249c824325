// Package api holds our own API as values: the JSON that goes over the wire,
// the picture of the cluster that answers are drawn from (View), and how it is
// going with a unit (Judge). The server in edge/httpapi and the client in
// edge/client both speak in these words; neither network nor clock is in here.
package api

import (
	"time"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Base is where the paths of this API start. fleet's own API is /fleet/v1.
const Base = "/fleet/v2"

// Headers and trailers of this API.
const (
	// ByHeader carries who asked, from a machine that passes a request on.
	ByHeader = "Argosy-By"
	// HopsHeader counts how often a request has been passed on.
	HopsHeader = "Argosy-Hops"
	// ExitTrailer follows the output of a command: its exit code.
	ExitTrailer = "Argosy-Exit-Code"
	// ErrorTrailer follows output that was cut short: why.
	ErrorTrailer = "Argosy-Error"
)

// MediaLines is the media type of a stream of JSON values, one a line.
const MediaLines = "application/x-ndjson"

// Stale is the age from which an answer is worth a remark. The store confirms
// that nothing has changed about once a second.
const Stale = 5 * time.Second

// Freshness says how current an answer is. An answer may be old: it is given
// from memory even while the store cannot be reached.
type Freshness struct {
	Revision int64     `json:"revision"` // of the store, up to which changes are in the answer
	AsOf     time.Time `json:"asOf"`     // by the answering machine's clock
	// AgeSeconds is the time between AsOf and the answer, told apart because
	// the reader's clock may differ.
	AgeSeconds float64 `json:"ageSeconds"`
}

// Age is the time since the answer was known to be current.
func (f Freshness) Age() time.Duration { return time.Duration(f.AgeSeconds * float64(time.Second)) }

// Page is in the answer of a list that was asked for with limit=.
type Page struct {
	// Continue asks for the next page, which shows the cluster at the revision of
	// the first; empty on the last.
	Continue string `json:"continue,omitempty"`
}

// Machine is one machine as shown.
type Machine struct {
	ID     cluster.MachineID `json:"id"`
	Name   string            `json:"name"`
	IP     string            `json:"ip"`
	API    string            `json:"api,omitempty"` // HOST:PORT of its fleetd
	Member bool              `json:"member"`
	BootID string            `json:"bootID,omitempty"`
	// Metadata is what units may ask for: what its fleet.conf says and, over
	// that, what operators say.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Labels are what operators say; an empty value hides a key of fleet.conf.
	Labels map[string]string `json:"labels,omitempty"`
	// Configured is what fleet.conf says, where labels stand over it.
	Configured map[string]string `json:"configured,omitempty"`
	Capacity   cluster.Capacity  `json:"capacity"`
	Versions   map[string]string `json:"versions,omitempty"`
	Since      time.Time         `json:"since"`
	Note       string            `json:"note,omitempty"` // what a user should know of it
	// Away says that only labels are known of it: it is not there now, and may
	// never have been.
	Away bool `json:"away,omitempty"`
	// OutOfTouch says that its agent is not heard of while its kernel answers: what
	// runs there stays. Only its id, name and IP are known then, and labels.
	OutOfTouch bool `json:"outOfTouch,omitempty"`
}

// Machines answers GET machines, sorted by id. Machines that are away are among
// them only where they were asked for.
type Machines struct {
	Freshness
	Machines []Machine `json:"machines"`
	Page
}

// Unit is one unit as shown: what is wanted, where it is, how it is going.
type Unit struct {
	Name        cluster.UnitName `json:"name"`
	Revision    int64            `json:"revision"`
	Hash        cluster.Hash     `json:"hash,omitempty"`
	Desired     cluster.Desired  `json:"desired,omitempty"`
	Generation  int64            `json:"generation"`
	By          string           `json:"by,omitempty"`
	At          time.Time        `json:"at,omitzero"`
	Global      bool             `json:"global,omitempty"`
	Description string           `json:"description,omitempty"`
	// Current is how far the machines are with Desired; empty for a global unit.
	Current cluster.Desired `json:"current,omitempty"`
	Outcome Outcome         `json:"outcome"`
	Reason  string          `json:"reason,omitempty"` // of the outcome, for people
	On      []Presence      `json:"on,omitempty"`     // sorted by machine id
	Text    string          `json:"text,omitempty"`   // only in the answer about one unit, as DropIns
	// DropIns are the files of its NAME.d, in the order in which systemd reads them.
	DropIns []unitfile.DropIn `json:"dropIns,omitempty"`
	// Signatures are those of the files that the unit was stored with.
	Signatures string `json:"signatures,omitempty"`
}

// Presence is a unit on one machine: placed there, seen there, or both.
type Presence struct {
	Machine cluster.MachineID  `json:"machine"`
	Name    string             `json:"name,omitempty"` // empty: the machine is not there now
	IP      string             `json:"ip,omitempty"`
	Placed  *cluster.Placement `json:"placed,omitempty"`
	State   *cluster.UnitState `json:"state,omitempty"`
}

// Units answers GET units, sorted by name.
type Units struct {
	Freshness
	Units []Unit `json:"units"`
	Page
}

// UnitAnswer answers GET units/NAME.
type UnitAnswer struct {
	Freshness
	Unit Unit `json:"unit"`
}

// State is what systemd says of a unit on one machine.
type State struct {
	Unit    cluster.UnitName  `json:"unit"`
	Machine cluster.MachineID `json:"machine"`
	IP      string            `json:"ip,omitempty"`
	Hash    cluster.Hash      `json:"hash"`
	Load    string            `json:"load"`
	Active  string            `json:"active"`
	Sub     string            `json:"sub"`
	Result  string            `json:"result,omitempty"`
	Phase   cluster.Phase     `json:"phase"`
	Problem string            `json:"problem,omitempty"`
	Note    string            `json:"note,omitempty"`
	// OutOfTouch says that the unit is placed on a machine whose agent is not heard of
	// while its kernel answers: it is left to run there, and nothing else is known.
	OutOfTouch bool `json:"outOfTouch,omitempty"`
}

// States answers GET states, sorted by unit, then machine id.
type States struct {
	Freshness
	States []State `json:"states"`
	Page
}

// UnitChange is the body of PUT units/NAME.
type UnitChange struct {
	// Text is the unit file; absent to keep the one that is stored, with its drop-ins.
	Text *string `json:"text,omitempty"`
	// DropIns go with Text, by name, each name once.
	DropIns []unitfile.DropIn `json:"dropIns,omitempty"`
	// Signatures are those of Text and DropIns, one behind another, as ssh-keygen
	// writes each: see core/signing.
	Signatures string          `json:"signatures,omitempty"`
	Desired    cluster.Desired `json:"desired"`
	// Supersede asks for a generation later than this one even where text and
	// desired state stay the same, and so for a new start of what is launched.
	// It names the generation that is to end, not the act, so that asking twice
	// restarts once. 0 for no such wish.
	Supersede int64 `json:"supersede,omitempty"`
	// IfGeneration has another text stored only over this generation, and with 0
	// only where there is no such unit, so that two writers do not overwrite each
	// other unseen: the later one is answered 409. The text that is stored already
	// overwrites nothing. Without a text it guards the desired state.
	IfGeneration *int64 `json:"ifGeneration,omitempty"`
	// By says on whose behalf, where the one who asks is a program. It is
	// recorded behind the caller's own identity, never in its stead.
	By string `json:"by,omitempty"`
}

// Storing is the change that has a unit file and its drop-ins stored, or the
// stored ones kept where unit is nil.
func Storing(unit *unitfile.Bundle, desired cluster.Desired) UnitChange {
	if unit == nil {
		return UnitChange{Desired: desired}
	}
	return UnitChange{Text: &unit.Text, DropIns: unit.DropIns, Signatures: unit.Signatures, Desired: desired}
}

// Bundle is what the change stores, nil where it keeps what is stored.
func (c UnitChange) Bundle() *unitfile.Bundle {
	if c.Text == nil {
		return nil
	}
	return &unitfile.Bundle{Text: *c.Text, DropIns: c.DropIns, Signatures: c.Signatures}
}

// Bundle is the unit's file with its drop-ins. The unit carries its text.
func (u Unit) Bundle() unitfile.Bundle {
	return unitfile.Bundle{Text: u.Text, DropIns: u.DropIns, Signatures: u.Signatures}
}

// Carry puts in what is stored of the unit. What cannot be taken apart is shown
// as it is.
func (u *Unit) Carry(content string) {
	unit, err := unitfile.ReadBundle(content)
	if err != nil {
		unit.Text = content
	}
	u.Text, u.DropIns, u.Signatures = unit.Text, unit.DropIns, unit.Signatures
}

// Written answers PUT units/NAME and DELETE units/NAME.
type Written struct {
	Name       cluster.UnitName `json:"name"`
	Revision   int64            `json:"revision"` // ask for minRevision=this to read what was written
	Generation int64            `json:"generation,omitempty"`
	Hash       cluster.Hash     `json:"hash,omitempty"`
	Desired    cluster.Desired  `json:"desired,omitempty"`
	Global     bool             `json:"global,omitempty"`
	Created    bool             `json:"created,omitempty"`
	Changed    bool             `json:"changed"` // false: it was so already, nothing was written
	Warnings   []string         `json:"warnings,omitempty"`
}

// WatchLine is one line of GET watch: a named unit as it is now, or, without a
// unit, a sign that the stream is alive and how current it is.
type WatchLine struct {
	Freshness
	Unit *Unit `json:"unit,omitempty"`
}
