// Package cluster holds the words that every other package speaks: the names,
// the facts kept in the store and the changes of facts. It decides nothing and
// knows no store, machine or wire format but the facts' own JSON.
package cluster

import (
	"maps"
	"slices"
	"time"
)

// Desired is what an operator wants of a unit, in fleet's three steps.
type Desired string

const (
	Inactive Desired = "inactive" // known, on no machine
	Loaded   Desired = "loaded"   // on a machine, not started
	Launched Desired = "launched" // on a machine and started once
)

// Valid says whether d is one of the three.
func (d Desired) Valid() bool { return d == Inactive || d == Loaded || d == Launched }

// Unit is the wanted state of one unit: key units/<name>, written by the API.
type Unit struct {
	Name     UnitName `json:"-"`
	Revision int64    `json:"-"` // of the store at the last write

	Hash    Hash    `json:"hash"`
	Desired Desired `json:"desired"`
	// Generation grows by one with each change of Hash or Desired, and with each
	// restart. A machine starts a unit once for each generation.
	Generation int64     `json:"generation"`
	By         string    `json:"by,omitempty"` // who asked: a certificate's CN, or a local user
	At         time.Time `json:"at"`
}

// Machine is a machine's own account of itself: key machines/<id>, bound to the
// machine's lease, so that it is there only while the machine's agent is.
type Machine struct {
	ID       MachineID `json:"-"`
	Revision int64     `json:"-"`

	Name     string            `json:"name"`               // hostname
	Address  string            `json:"address"`            // primary IP, no port
	API      string            `json:"api"`                // HOST:PORT of its fleetd
	Member   bool              `json:"member"`             // runs a member of the store
	BootID   string            `json:"bootID"`             // changes with each boot
	Lease    int64             `json:"lease"`              // what the record is bound to, whatever it says
	Metadata map[string]string `json:"metadata,omitempty"` // from fleet.conf
	Capacity Capacity          `json:"capacity"`
	// Versions of "argosy", "systemd", "kernel" and, where it is there, "podman".
	Versions map[string]string `json:"versions,omitempty"`
	Since    time.Time         `json:"since"`
	// TTLSeconds is how long Lease outlasts the machine's last sign of life.
	TTLSeconds int64 `json:"ttlSeconds,omitempty"`
	// Probes says that the machine probes whom it is given; see Probes the fact.
	Probes bool `json:"probes,omitempty"`
	// Note says what a user should know of the machine, from its agent; empty when
	// there is nothing.
	Note string `json:"note,omitempty"`
}

// Capacity is what a machine has to give.
type Capacity struct {
	CPUs        int   `json:"cpus"`
	MemoryBytes int64 `json:"memoryBytes"`
	// Other is what its fleet.conf counts beside these, such as {"gpu": 2}.
	Other map[string]int64 `json:"other,omitempty"`
}

// Labels is what operators have said of a machine: key labels/<id>, written by
// the API. It is bound to no lease: it is kept while the machine is away, and
// may be there before the machine was ever seen.
type Labels struct {
	Machine  MachineID `json:"-"`
	Revision int64     `json:"-"`

	// Set stands over the machine's own metadata. An empty value hides the key
	// of that name in fleet.conf.
	Set map[string]string `json:"set"`
	By  string            `json:"by,omitempty"`
	At  time.Time         `json:"at"`
}

// Over returns the metadata that a machine is known by: its own, and over it
// what operators have said. It is nil where there is none.
func (l Labels) Over(own map[string]string) map[string]string {
	if len(l.Set) == 0 {
		return own
	}
	both := maps.Clone(own)
	if both == nil {
		both = map[string]string{}
	}
	for key, value := range l.Set {
		if value == "" {
			delete(both, key)
		} else {
			both[key] = value
		}
	}
	if len(both) == 0 {
		return nil
	}
	return both
}

// Placement is what one machine must run: key placements/<machine>/<unit>,
// written by the leader.
type Placement struct {
	Machine  MachineID `json:"-"`
	Unit     UnitName  `json:"-"`
	Revision int64     `json:"-"`

	Hash       Hash      `json:"hash"`
	Desired    Desired   `json:"desired"` // Loaded or Launched
	Generation int64     `json:"generation"`
	Reason     string    `json:"reason"` // why here, for people
	At         time.Time `json:"at"`
	// Attempts counts the machines on which systemd has given the unit up in this
	// generation, and Avoid names them. Once they are as many as the leader grants,
	// the unit stays where it is until somebody acts.
	Attempts int         `json:"attempts,omitempty"`
	Avoid    []MachineID `json:"avoid,omitempty"`
}

// UnitState is what systemd says of a unit on one machine: key
// states/<machine>/<unit>, written by that machine, bound to its lease.
type UnitState struct {
	Machine  MachineID `json:"-"`
	Unit     UnitName  `json:"-"`
	Revision int64     `json:"-"`

	Hash       Hash   `json:"hash"`       // of the text that is loaded
	Generation int64  `json:"generation"` // of the placement that was last acted on
	Load       string `json:"load"`       // systemd's LoadState
	Active     string `json:"active"`     // systemd's ActiveState
	Sub        string `json:"sub"`        // systemd's SubState
	// Result is systemd's Result of a service ("success", "exit-code", ...).
	Result string `json:"result,omitempty"`
	Phase  Phase  `json:"phase"`
	// Secrets are those that the unit was given when it was last started.
	Secrets SecretVersions `json:"secrets,omitempty"`
	// Problem says what the agent could not do, for people; empty when all is well.
	Problem string `json:"problem,omitempty"`
	// Note says what a user should know of the unit though nothing is wrong.
	Note string `json:"note,omitempty"`
}

// Phase tells whether a machine has done what its placement asks.
type Phase string

const (
	Working Phase = "working" // a job of this generation is still under way
	Settled Phase = "settled" // the job has ended, well or not: Active and Result tell
)

// Unplaced is why a unit that should be on a machine is on none: key
// unplaced/<unit>, written by the leader.
type Unplaced struct {
	Unit     UnitName `json:"-"`
	Revision int64    `json:"-"`

	Generation int64     `json:"generation"`
	Reason     string    `json:"reason"`
	At         time.Time `json:"at"`
}

// Leader is who places units: key leader, bound to no lease.
type Leader struct {
	Revision int64 `json:"-"` // its term: every placement compares it

	Machine MachineID `json:"machine"`
	Run     string    `json:"run"` // one life of one fleetd
	Since   time.Time `json:"since"`
}

// SortedMetadata returns the keys of m in order, for printing and deciding alike.
func SortedMetadata(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
