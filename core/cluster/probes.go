package cluster

import "time"

// Probes is whom a machine probes: key placements/<machine>/probes, written by the
// leader. It lies beside the machine's placements, so that one watch brings both.
type Probes struct {
	Machine  MachineID `json:"-"`
	Revision int64     `json:"-"`

	Targets []Target `json:"targets"`
}

// Target is a machine whose kernel is asked whether it runs.
type Target struct {
	Machine MachineID `json:"machine"`
	Name    string    `json:"name,omitempty"` // for people
	Address string    `json:"address"`        // IP, no port
	// Others are those that probe it too. A prober says which of them it reaches:
	// the word of two that do not even reach each other is worth nothing.
	Others []Peer `json:"others,omitempty"`
}

// Peer is another machine that probes the same target.
type Peer struct {
	Machine MachineID `json:"machine"`
	Address string    `json:"address"`
}

// Suspicion is a prober's word that a target's kernel does not answer: key
// machines/<prober>/suspects/<target>, written by that machine when its verdict
// changes, bound to that machine's lease. A target that answers has none.
type Suspicion struct {
	Target   MachineID `json:"-"`
	Prober   MachineID `json:"-"`
	Revision int64     `json:"-"`

	Since time.Time `json:"since"` // the prober's clock, for people
	// Never says that the target has not answered this prober once. It may be that
	// something between them drops echoes, so that this tells less than silence.
	Never   bool        `json:"never,omitempty"`
	Reaches []MachineID `json:"reaches,omitempty"` // of the other probers, those that answer meanwhile
}

// Departed says that a machine has left on purpose: key machines/<id>/departed,
// written by that machine in the transaction that ends its record, or by the API
// that expels it; taken away when the machine registers again. Its kernel may answer
// for as long as it likes. It ends by itself after DepartedFor, when nobody has
// probed that machine for long.
type Departed struct {
	Machine  MachineID `json:"-"`
	Revision int64     `json:"-"`

	At time.Time `json:"at"`
}

// DepartedFor is how long it is remembered that a machine has left.
const DepartedFor = 24 * time.Hour
