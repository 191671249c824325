package agent_test

import (
	"errors"
	"strings"
	"testing"

	"argosy/core/cluster"
)

func TestRestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		defer r.end()
		w.launch("web.service", sleeps, 1)
		w.settle()
		w.did("start web.service")
		if err := r.Restart(t.Context(), "alice", "web.service"); err != nil {
			t.Error(err)
		}
		w.settle()
		w.did("start web.service", "restart web.service") // and nothing after it: no placement has changed
		w.is("web.service", "1 active running settled")
		err := r.Restart(t.Context(), "alice", "sshd.service")
		if !errors.Is(err, cluster.ErrNotFound) || err.Error() != "restart sshd.service on core-01: a unit of the cluster: not found" {
			t.Errorf("a unit of the machine's own: %v", err)
		}
		w.launch("fails.service", fails, 1)
		w.settle()
		if err := r.Restart(t.Context(), "alice", "fails.service"); err == nil || !strings.HasPrefix(err.Error(), "on core-01: its job ended as failed: failed") {
			t.Errorf("a unit that fails: %v", err)
		}
		w.launch("ends.service", ends, 1)
		w.settle()
		if err := r.Restart(t.Context(), "alice", "ends.service"); err != nil {
			t.Errorf("a unit that ends well: %v", err)
		}
	})
}
