package laws

import (
	"fmt"
	"strings"
)

// Words puts an event into words, for a trace.
func Words(event Event) string {
	switch e := event.(type) {
	case Transaction:
		writes := make([]string, len(e.Writes))
		for i, w := range e.Writes {
			writes[i] = w.String()
		}
		return fmt.Sprintf("revision %d by %s (known %d): %s", e.Revision, e.By, e.By.Known, strings.Join(writes, ", "))
	case Told:
		return fmt.Sprintf("the agent of %s is told (all: %v) %v", e.Machine.Short(), e.Reset, e.Keys)
	case Started:
		if e.Fenced {
			return fmt.Sprintf("%s begins to run, generation %d, behind the fence with token %d", e.Place, e.Generation, e.Token)
		}
		return fmt.Sprintf("%s begins to run, generation %d", e.Place, e.Generation)
	case Ended:
		return fmt.Sprintf("%s runs no more, by %s", e.Place, e.Cause)
	case Booted:
		return fmt.Sprintf("%s has booted as %q", e.Machine.Short(), e.Boot)
	case Crashed:
		return fmt.Sprintf("%s has lost its power", e.Machine.Short())
	case Missed:
		return fmt.Sprintf("%s must be missed by now", e.Machine.Short())
	case CutOff:
		return fmt.Sprintf("the network of %s is cut: %v", e.Machine.Short(), e.Cut)
	case FenceStands:
		return fmt.Sprintf("the fence of %s stands", e.Machine.Short())
	case FenceFell:
		return fmt.Sprintf("the fence of %s has fallen", e.Machine.Short())
	case Froze:
		return fmt.Sprintf("the kernel of %s stands still", e.Machine.Short())
	case Unnoted:
		return fmt.Sprintf("fleetd ends on %s before it has noted that %s was started, generation %d", e.Place.Machine.Short(), e.Place.Unit, e.Generation)
	case Thawed:
		return fmt.Sprintf("the kernel of %s goes on", e.Machine.Short())
	case Recovered:
		return fmt.Sprintf("%s has noticed what is over", e.Machine.Short())
	case Left:
		return fmt.Sprintf("%s is to leave", e.Machine.Short())
	case Back:
		return fmt.Sprintf("fleetd begins on %s", e.Machine.Short())
	case Acknowledged:
		return fmt.Sprintf("acknowledged at revision %d: %s generation %d %s %.7s (destroyed: %v)", e.Revision, e.Unit, e.Generation, e.Wanted, e.Hash, e.Destroyed)
	}
	return fmt.Sprint(event)
}
