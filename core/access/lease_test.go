package access

import (
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
)

const (
	one   = cluster.MachineID("6c3a0123456789abcdef0123456789ab")
	other = cluster.MachineID("6c3a0123466789abcdef0123456789ab")
)

func TestLeaseID(t *testing.T) {
	if got := LeaseID(one, 0xabcde); got != 0x06c3a012345abcde {
		t.Errorf("%016x does not show its machine", got)
	}
	if LeaseID("core-01", 1) != 0 || OwnsLease("core-01", 0) || OwnsLease("", 0) {
		t.Error("what is no machine's id has leases")
	}
	if id := cluster.MachineID("00000000000000000000000000000001"); OwnsLease(id, 0) {
		t.Error("no lease at all is somebody's")
	}
}

func TestALeaseIsItsMachinesAlone(t *testing.T) {
	machine := rapid.StringMatching(`[0-9a-f]{10}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := machine.Draw(t, "a"), machine.Draw(t, "b")
		const rest = "0123456789abcdef012345"
		lease := LeaseID(cluster.MachineID(a+rest), rapid.Uint32().Draw(t, "number"))
		if lease < 0 {
			t.Fatalf("%x is negative", lease)
		}
		if lease != 0 && !OwnsLease(cluster.MachineID(a+rest), lease) {
			t.Fatalf("%x is not its machine's", lease)
		}
		if a != b && OwnsLease(cluster.MachineID(b+rest), lease) {
			t.Fatalf("%x of %s is also that of %s", lease, a, b)
		}
	})
}
