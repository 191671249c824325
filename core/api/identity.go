package api

import (
	"argosy/core/cluster"
	"argosy/core/signing"
)

// Identity is one life of one machine: whoever has its machine id but another
// boot id is another machine, or the same one after a boot. POST claims carries
// that of the machine that asks, and its answer that of the one that was asked.
type Identity struct {
	Machine cluster.MachineID `json:"machine"`
	BootID  string            `json:"bootID"`
	Name    string            `json:"name"`
	Address string            `json:"address"`
}

// Describe names the machine for people.
func (i Identity) Describe() string { return i.Name + " at " + i.Address }

// Cluster is what a machine goes by to reach the cluster.
type Cluster struct {
	Members []string `json:"members"` // client URLs of the store
	// Authorities are certificates in PEM, that of who signs first; absent where none
	// was ever replaced.
	Authorities string `json:"authorities,omitempty"`
	// Policy is what it may start.
	Policy signing.Policy `json:"policy,omitzero"`
}
