package registry

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/edge/memstore"
)

// A machine that is out of touch is not "not found": it is said what it is and since
// when, or before when, where it was so before this registry knew anything.
func TestMachineOutOfTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const prober, silent = cluster.MachineID("1"), cluster.MachineID("2")
		probes := cluster.ProbesChanged{Probes: cluster.Probes{Machine: prober, Targets: []cluster.Target{{Machine: silent, Name: "core-02", Address: "10.0.0.2"}}}}
		r := New(memstore.New(), slog.New(slog.DiscardHandler))
		learn := func(reset bool, events ...cluster.Event) {
			t.Helper()
			if err := r.learn(cluster.Batch{Reset: reset, Events: events}); err != nil {
				t.Fatal(err)
			}
		}
		says := func(want string) {
			t.Helper()
			_, err := r.Machine(t.Context(), silent)
			var e *api.Error
			if !errors.As(err, &e) || e.Code != 504 || !strings.HasPrefix(e.Message, want) {
				t.Errorf("%+v, want %q", err, want)
			}
		}
		learn(true, probes, cluster.MachineChanged{Machine: cluster.Machine{ID: silent, Name: "core-02"}})
		time.Sleep(time.Minute)
		learn(false, cluster.MachineGone{ID: silent})
		time.Sleep(2 * remembered)
		learn(false, cluster.MachineGone{ID: "3"})
		says("machine core-02 is out of touch since 2000-01-01 00:01:00 UTC: its agent does not answer, its kernel does; its units are left to run there")
		learn(true, probes)
		says("machine core-02 is out of touch since before 2000-01-01 02:01:00 UTC: ")
		learn(false, cluster.DepartedChanged{Departed: cluster.Departed{Machine: silent}})
		if _, err := r.Machine(t.Context(), silent); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("it has left: %v", err)
		}
	})
}
