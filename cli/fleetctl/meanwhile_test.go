package fleetctl

import (
	"fmt"
	"os/user"
	"testing"

	"argosy/cli"
)

// TestMeanwhile: what others do to a unit that is being waited for is told, and
// is no success.
func TestMeanwhile(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for verb, says := range map[string]string{
		"unload":  "Unit slow.service: made inactive meanwhile by user " + me.Username + " on core-01",
		"stop":    "Unit slow.service: made loaded meanwhile by user " + me.Username + " on core-01",
		"destroy": "Unit slow.service: destroyed meanwhile",
	} {
		w := newWorld(t)
		files(t, "slow.service")
		l := w.live("start", "slow")
		w.working()
		if got := w.fleetctl(verb, "slow"); got.code != 0 {
			t.Errorf("%s: %+v", verb, got)
		}
		l.next(l.err, says)
		if err := <-l.ended; cli.Code(err) != cli.ExitError {
			t.Errorf("%s: start ended with %v", verb, err)
		}
	}
}

// TestInterrupted: a wait that the user ends takes nothing back.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	files(t, "slow.service")
	l := w.live("start", "slow")
	w.working()
	l.stop()
	if err := <-l.ended; cli.Code(err) != cli.ExitError || err.Error() != "interrupted; what was asked for goes on" {
		t.Errorf("ended with %v", err)
	}
	w.want(w.fleetctl("list-unit-files", "--no-legend", "--fields=unit,dstate"), 0, "slow.service\tlaunched\n", "")
}

// working waits until slow.service is on its way.
func (w *world) working() {
	w.Helper()
	w.eventually(func() error {
		if got := w.fleetctl("list-units", "--no-legend", "--fields=active"); got.out != "activating\n" {
			return fmt.Errorf("the unit is %q", got.out)
		}
		return nil
	})
}
