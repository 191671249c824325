package fleetctl

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"argosy/core/cluster"
)

// status on a machine that is out of touch says so, and not that there is no such one.
func TestStatusOnAMachineOutOfTouch(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.launched("web.service", text)
	silent := w.machines[2]
	err := errors.Join(
		w.store.Assign(t.Context(), w.leader, []cluster.Probes{{Machine: worldIDs[0], Targets: []cluster.Target{{Machine: silent.ID, Name: silent.Name, Address: silent.Address}}}}),
		w.store.EndMachine(t.Context(), w.leader, silent))
	if err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		got := w.fleetctl("status", "web", "--machine", "core-03")
		if got.code == 0 || !strings.Contains(got.err, "machine core-03 is out of touch since ") || !strings.Contains(got.err, "its kernel does") {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
}
