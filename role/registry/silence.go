package registry

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// silence is since when machines have no record, as it was heard of here: the store
// does not say.
type silence struct {
	began time.Time // what was gone by then was gone before
	since map[cluster.MachineID]time.Time
}

// remembered is for how long the end of a record is, where the machine is not out of
// touch: whether it is, or is lost, turns out within seconds.
const remembered = time.Hour

func (s *silence) forget(now time.Time) { *s = silence{now, map[cluster.MachineID]time.Time{}} }

// learn takes in an event that view knows already.
func (s *silence) learn(event cluster.Event, view *api.View, now time.Time) {
	switch e := event.(type) {
	case cluster.MachineChanged:
		delete(s.since, e.Machine.ID)
	case cluster.MachineGone:
		s.since[e.ID] = now
		maps.DeleteFunc(s.since, func(id cluster.MachineID, at time.Time) bool {
			_, still := view.OutOfTouch(id)
			return !still && now.Sub(at) > remembered
		})
	}
}

// outOfTouch says to who asks a machine for something that it is out of touch.
func (s *silence) outOfTouch(m api.Machine) error {
	word, at := "since", s.since[m.ID]
	if at.IsZero() {
		word, at = "since before", s.began
	}
	return &api.Error{
		Code: http.StatusGatewayTimeout,
		Message: fmt.Sprintf("machine %s is out of touch %s %s: its agent does not answer, its kernel does; its units are left to run there",
			cmp.Or(m.Name, string(m.ID)), word, at.UTC().Format(time.DateTime+" MST")),
		Hint: "look at fleet.service there",
	}
}
