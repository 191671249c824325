package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"argosy/core/cluster"
)

// What a machine says of itself after its record was gone and it came back. It does not
// know whether it was counted as lost meanwhile or was only out of touch, nor why what
// it ends is not placed here any more: moved, stopped or destroyed.
const (
	// reunion is the time after its return in which most of what it ends has ended.
	reunion = 10 * time.Second
	// straggling is how much later the rest may: what is placed here is heard of by
	// another way than that the lease stands, and each takes its time to mend.
	straggling = time.Minute
	// noteKept is how long its record tells of it.
	noteKept = 10 * time.Minute
	// namedUnits is how many units the record names.
	namedUnits = 5
)

// reunited notes what the machine ends when it comes back: of each unit that runs
// on two machines then, the copy where the leader has placed it stays.
type reunited struct {
	away     time.Time                      // when its lease, that ended, was last renewed
	returned time.Time                      // when the machine was registered again; zero while there is nothing to say
	ended    map[cluster.UnitName]time.Time // that had no business here any more
	told     string
}

// begin notes that the machine is registered again.
func (r *reunited) begin(away, now time.Time) { r.away, r.returned, r.told = away, now, "" }

// end notes that a unit is ended because it is not placed here.
func (r *reunited) end(name cluster.UnitName, now time.Time) {
	if r.ended == nil {
		r.ended = map[cluster.UnitName]time.Time{}
	}
	r.ended[name] = now
	for name, at := range r.ended {
		if now.Sub(at) > straggling {
			delete(r.ended, name)
		}
	}
}

// note is what there is to say that was not said yet; empty for nothing.
func (r *reunited) note(now time.Time) string {
	if r.returned.IsZero() || now.Sub(r.returned) < reunion {
		return ""
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.ended)) {
		if at := r.ended[name]; at.After(r.away) && at.Sub(r.returned) < straggling {
			names = append(names, string(name))
		}
	}
	at := r.returned
	if now.Sub(at) >= straggling {
		r.returned = time.Time{}
	}
	if len(names) == 0 {
		return ""
	}
	more := ""
	if left := len(names) - namedUnits; left > 0 {
		names, more = names[:namedUnits], fmt.Sprintf(" and %d more", left)
	}
	note := fmt.Sprintf("is back since %s; ended here, because they are not placed here any more: %s%s",
		at.UTC().Format(time.DateTime+" MST"), strings.Join(names, ", "), more)
	if note == r.told {
		return ""
	}
	r.told = note
	return note
}

// tellReunion has the machine's record say what was ended, for a while.
func (d *desk) tellReunion() {
	if note := d.reunited.note(d.on.Now()); note != "" {
		d.log.Warn("this machine " + note)
		d.self.tell(note)
	}
}
