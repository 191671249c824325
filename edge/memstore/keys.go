package memstore

import (
	"cmp"

	"argosy/core/cluster"
)

// key names a fact: its kind and what tells it from others of the kind. The
// kinds are edge/store's folders, so that both list facts in one order.
type key struct {
	kind    string
	machine cluster.MachineID
	name    string
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.kind, other.kind), cmp.Compare(k.machine, other.machine), cmp.Compare(k.name, other.name))
}

// in says whether a follower of the scope is told of the fact.
func (k key) in(scope cluster.Scope) bool {
	machine, one := scope.Machine()
	return !one || k.kind == "placements" && k.machine == machine
}

func leaderKey() key                        { return key{kind: "leader"} }
func contentKey(hash cluster.Hash) key      { return key{kind: "contents", name: string(hash)} }
func machineKey(id cluster.MachineID) key   { return key{kind: "machines", machine: id} }
func labelsKey(id cluster.MachineID) key    { return key{kind: "labels", machine: id} }
func unitKey(name cluster.UnitName) key     { return key{kind: "units", name: string(name)} }
func unplacedKey(name cluster.UnitName) key { return key{kind: "unplaced", name: string(name)} }
func placementKey(id cluster.MachineID, name cluster.UnitName) key {
	return key{"placements", id, string(name)}
}
func stateKey(id cluster.MachineID, name cluster.UnitName) key {
	return key{"states", id, string(name)}
}

// checkNames refuses a name that edge/store refuses.
func checkNames(id cluster.MachineID, names ...cluster.UnitName) error {
	if _, err := cluster.ParseMachineID(string(id)); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := cluster.ParseUnitName(string(name)); err != nil {
			return err
		}
	}
	return nil
}
