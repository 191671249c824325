package fleetctl

import (
	"argosy/core/api"
	"argosy/core/cluster"
)

// dash is what fleet prints for nothing.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// machineID is the id as fleet shows it.
func machineID(id cluster.MachineID, full bool) string {
	if full {
		return string(id)
	}
	return id.Short()
}

// machineAt is the id and the address: "148a18ff.../10.10.1.1".
func machineAt(id cluster.MachineID, ip string, full bool) string {
	if ip == "" {
		return machineID(id, full)
	}
	return machineID(id, full) + "/" + ip
}

func hash(h cluster.Hash, full bool) string {
	if !full && len(h) > 7 {
		h = h[:7]
	}
	return dash(string(h))
}

// target is where a unit has been placed, "-" for nowhere.
func target(u api.Unit, full bool) string {
	if u.Global {
		return "global"
	}
	for _, on := range u.On {
		if on.Placed != nil {
			return machineAt(on.Machine, on.IP, full)
		}
	}
	return "-"
}
