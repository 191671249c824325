package units

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

func text(t *testing.T, name string) string {
	t.Helper()
	text, err := Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Law 1: nothing that is done to the store stops fleet, and with it units.
func TestFleetIsNotBoundToTheStore(t *testing.T) {
	for line := range strings.Lines(text(t, "fleet.service") + text(t, "fleet.socket")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "PropagatesStopTo":
			if strings.Contains(value, "etcd") {
				t.Errorf("fleet is bound to the store: %s", line)
			}
		}
	}
}

// Law 2: systemd's times are those that the cluster waits for.
func TestFenceTakesTheTimeThatTheClusterWaits(t *testing.T) {
	for name, lines := range map[string][]string{
		"fleet-fence.service": {
			fmt.Sprintf("WatchdogSec=%d", cluster.FenceTime/time.Second), "WatchdogSignal=SIGKILL",
			"OnFailure=fleet-fence-fallen.target", "StopWhenUnneeded=yes",
		},
		"fleet-fence-fallen.target": {
			fmt.Sprintf("JobTimeoutSec=%d", cluster.FenceStopTime/time.Second), "JobTimeoutAction=reboot-immediate", "StopWhenUnneeded=yes",
		},
	} {
		for _, line := range lines {
			if !strings.Contains(text(t, name), "\n"+line+"\n") {
				t.Errorf("%s has no line %s", name, line)
			}
		}
	}
	for line := range strings.Lines(text(t, "fleet-fence.service")) {
		if strings.HasPrefix(line, "Restart=") {
			t.Error("a fence that restarts by itself says nothing of the units that it has ended")
		}
	}
}

func TestStoppedFleetStaysStopped(t *testing.T) {
	if !strings.Contains(text(t, "fleet.socket"), "\nPartOf=fleet.service\n") {
		t.Error("fleet.socket would start a stopped fleetd again")
	}
}

func TestRelayCannotReadTheMachinesKey(t *testing.T) {
	if !strings.Contains(text(t, "etcd-endpoint.service"), "\nUser=argosy-endpoint\n") {
		t.Error("the relay, which serves everybody, does not run as a user of its own")
	}
}
