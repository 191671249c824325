package agent

import (
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

// TestStragglersAreTold checks which ends belong to a return: those since the lease
// was last renewed, also when they come long before or after the new one.
func TestStragglersAreTold(t *testing.T) {
	back := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	away := back.Add(-40 * time.Second)
	var r reunited
	at := func(after time.Duration, unit cluster.UnitName) {
		r.end(unit, back.Add(after))
	}
	said := func(after time.Duration, units ...string) {
		t.Helper()
		note := r.note(back.Add(after))
		if len(units) == 0 && note != "" || len(units) > 0 && !strings.HasSuffix(note, ": "+strings.Join(units, ", ")) {
			t.Errorf("after %s it says %q, want %v", after, note, units)
		}
	}
	at(-45*time.Second, "before.service")
	at(-25*time.Second, "early.service")
	r.begin(away, back)
	said(time.Second)
	said(11*time.Second, "early.service")
	said(12 * time.Second)
	at(30*time.Second, "late.service")
	said(31*time.Second, "early.service", "late.service")
	said(61 * time.Second)
	at(62*time.Second, "another.service")
	said(63 * time.Second)
}
