package cluster

// Scope is the part of the store's facts that a follower asks for: Everything,
// or what is Assigned to one machine.
type Scope string

// Everything is all facts; engines and APIs follow it.
const Everything Scope = ""

// Assigned is what the leader asks of one machine alone, its placements and whom
// it probes, so that a change that concerns one machine wakes one agent (law 4).
func Assigned(id MachineID) Scope { return Scope(id) }

// Machine is the machine of an Assigned scope; false for Everything.
func (s Scope) Machine() (MachineID, bool) { return MachineID(s), s != Everything }
