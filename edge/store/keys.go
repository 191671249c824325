package store

import (
	"fmt"
	"strings"

	"argosy/core/access"
	"argosy/core/cluster"
)

// root is the folder of all our keys. What a worker may touch of it core/access lists.
const root = access.Facts

const leaderKey = root + "leader"

func unitKey(name cluster.UnitName) string     { return root + "units/" + string(name) }
func contentKey(hash cluster.Hash) string      { return root + "contents/" + string(hash) }
func machineKey(id cluster.MachineID) string   { return root + "machines/" + string(id) }
func labelsKey(id cluster.MachineID) string    { return root + "labels/" + string(id) }
func unplacedKey(unit cluster.UnitName) string { return root + "unplaced/" + string(unit) }

// What a machine says of itself and of others, but for its units' states, lies
// below its record, so that one range of keys that it may touch covers it.
func departedKey(id cluster.MachineID) string { return machineKey(id) + "/" + departedName }

const departedName, suspectsName = "departed", "suspects"

// probesName stands where a unit's name would, below the machine's placements. No
// unit is called so: it has no suffix.
const probesName = "probes"

func probesKey(machine cluster.MachineID) string { return placementsPrefix(machine) + probesName }

func suspectKey(prober, target cluster.MachineID) string {
	return machineKey(prober) + "/" + suspectsName + "/" + string(target)
}

func placementKey(machine cluster.MachineID, unit cluster.UnitName) string {
	return placementsPrefix(machine) + string(unit)
}

func placementsPrefix(machine cluster.MachineID) string {
	return root + "placements/" + string(machine) + "/"
}

func stateKey(machine cluster.MachineID, unit cluster.UnitName) string {
	return statesPrefix(machine) + string(unit)
}

func statesPrefix(machine cluster.MachineID) string { return root + "states/" + string(machine) + "/" }

// family is the folder that a kind of fact lives in.
type family string

const (
	contents   family = "contents"
	units      family = "units"
	machines   family = "machines"
	labels     family = "labels"
	placements family = "placements"
	states     family = "states"
	unplaced   family = "unplaced"
	leader     family = "leader"
	probes     family = "probes"   // in the folder of placements
	suspects   family = "suspects" // in the folder of machines, as departed
	departed   family = "departed"
)

// address is a key taken apart. Which fields are set depends on the family.
type address struct {
	family  family
	hash    cluster.Hash
	machine cluster.MachineID
	prober  cluster.MachineID
	unit    cluster.UnitName
}

// parseKey takes a key apart. The family is empty for a folder that this
// version does not know: a later one may, so that it is no fault.
func parseKey(key string) (address, error) {
	name, ours := strings.CutPrefix(key, root)
	if !ours {
		return address{}, fmt.Errorf("key %q is not below %s", key, root)
	}
	folder, name, nested := strings.Cut(name, "/")
	at := address{family: family(folder)}
	var err error
	switch at.family {
	case leader:
		if nested {
			err = fmt.Errorf("expected nothing below %s", leaderKey)
		}
	case contents:
		at.hash, err = cluster.ParseHash(name)
	case units, unplaced:
		at.unit, err = cluster.ParseUnitName(name)
	case labels:
		at.machine, err = cluster.ParseMachineID(name)
	case machines:
		return parseMachineKey(key, name)
	case placements, states:
		machine, unit, _ := strings.Cut(name, "/")
		if at.machine, err = cluster.ParseMachineID(machine); err != nil {
			break
		}
		if at.family == placements && unit == probesName {
			at.family = probes
		} else {
			at.unit, err = cluster.ParseUnitName(unit)
		}
	default:
		return address{}, nil
	}
	if err != nil {
		return address{}, fmt.Errorf("key %q: %w", key, err)
	}
	return at, nil
}

// parseMachineKey takes apart what a machine says: its record, or a word below it.
func parseMachineKey(key, name string) (at address, err error) {
	id, word, nested := strings.Cut(name, "/")
	at.family = machines
	at.machine, err = cluster.ParseMachineID(id)
	word, target, about := strings.Cut(word, "/")
	switch {
	case err != nil || !nested:
	case word == departedName && !about:
		at.family = departed
	case word == suspectsName && about:
		at.family, at.prober = suspects, at.machine
		at.machine, err = cluster.ParseMachineID(target)
	default:
		return address{}, nil
	}
	if err != nil {
		return address{}, fmt.Errorf("key %q: %w", key, err)
	}
	return at, nil
}

// checkNames refuses a name that could not be read back.
func checkNames(machine cluster.MachineID, unitNames ...cluster.UnitName) error {
	if _, err := cluster.ParseMachineID(string(machine)); err != nil {
		return err
	}
	for _, name := range unitNames {
		if _, err := cluster.ParseUnitName(string(name)); err != nil {
			return err
		}
	}
	return nil
}
