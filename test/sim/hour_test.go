package sim

import (
	"flag"
	"strings"
	"testing"

	"argosy/test/sim/laws"
)

var hours = flag.Int("hours", 1, "how many hours of five machines without a loss")

// TestHour plays hours in which machines lose packets, daemons stand still and clocks
// are set, and in which no machine may be taken for lost.
func TestHour(t *testing.T) {
	for seed := range uint64(*hours) {
		if err := NewHour(seed + 1).Run(); err != nil {
			t.Error(err)
		}
	}
}

// TestHourPlanted sees that an hour tells when something is wrong.
func TestHourPlanted(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(*World)
		want  string
	}{
		"half of the packets are lost each way": {func(w *World) {
			for _, h := range w.hosts {
				h.net.drops = 0.5
			}
		}, "was taken for lost, and its kernel has always answered"},
		"detectors say of each machine that it is silent": {
			func(w *World) { w.planted.slander = true }, "was taken for lost, and its kernel has always answered",
		},
		"fleetd goes by the wall's clock": {func(w *World) { w.planted.wall = true }, string(laws.Found)},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewHour(1)
			c.plant(w)
			if err := w.Run(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("not caught as %q, but: %.300v", c.want, err)
			}
		})
	}
}
