package schedule

import "argosy/core/cluster"

// Explanation is why a unit is where it is, or on no machine.
type Explanation struct {
	Unit     cluster.UnitName `json:"unit"`
	Summary  string           `json:"summary"`            // one sentence
	Held     string           `json:"held,omitempty"`     // why nothing is decided for any unit now, and what to do
	Machines []Verdict        `json:"machines,omitempty"` // every machine that is up, by id
}

// Verdict is what one machine is to a unit.
type Verdict struct {
	Machine cluster.MachineID `json:"machine"`
	Name    string            `json:"name"`
	Here    bool              `json:"here,omitempty"` // the unit is placed there
	Fits    bool              `json:"fits"`           // it may run there
	Reason  string            `json:"reason"`         // why not; or why there rather than elsewhere
}
