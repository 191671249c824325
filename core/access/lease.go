package access

import (
	"strconv"

	"argosy/core/cluster"
)

const (
	leaseDigits     = 10 // of a machine's id, hexadecimal: 40 bits
	leaseNumberBits = 20
)

// LeaseID is a machine's lease with a number of its choice, of which 20 bits count.
// Machines choose the ids of their leases so that the store's guard can tell whose
// one is, and so can people: etcdctl prints a lease in sixteen digits, a 0, ten of
// its machine's id and five of the number. It is 0 for what is no machine's id.
func LeaseID(of cluster.MachineID, number uint32) int64 {
	machine, ok := leasesOf(of)
	if !ok {
		return 0
	}
	return machine<<leaseNumberBits | int64(number&(1<<leaseNumberBits-1))
}

// OwnsLease says whether a lease is one that a machine chose for itself.
func OwnsLease(machine cluster.MachineID, lease int64) bool {
	own, ok := leasesOf(machine)
	return ok && lease > 0 && lease>>leaseNumberBits == own
}

func leasesOf(machine cluster.MachineID) (int64, bool) {
	if _, err := cluster.ParseMachineID(string(machine)); err != nil {
		return 0, false
	}
	digits, err := strconv.ParseInt(string(machine)[:leaseDigits], 16, 64)
	return digits, err == nil
}
