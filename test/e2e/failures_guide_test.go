//go:build machines

package e2e

import "testing"

func TestFailuresGuide(t *testing.T) {
	t.Cleanup(func() {
		cluster.run(t, nil, cluster.argosy, "chaos", "resume", "core-03", "--name", cluster.name)
		cluster.run(t, nil, cluster.argosy, "chaos", "heal", "core-03", "--name", cluster.name)
		cluster.run(t, nil, cluster.argosy, "chaos", "start", "core-03", "--name", cluster.name)
		cluster.shell(t, "core-02", "sudo systemctl kill --signal=SIGCONT --kill-whom=main fleet")
		for _, machine := range allMachines {
			cluster.shell(t, machine, "sudo systemctl start --no-block etcd; rm -f before")
		}
		cluster.whole(t, "hello@", 3)
		cluster.shell(t, "core-01", "fleetctl destroy web@{1,2,3,4,5}.service web@.service; rm -f web@.service")
	})
	// The guide's machine has no losses behind it. Engines that begin anew know of
	// none that other tests have made, so that it is given units as soon as it is back.
	for _, machine := range allMachines {
		cluster.shell(t, machine, "sudo systemctl restart fleet")
	}
	cluster.whole(t, "hello@", 3)
	follow(t, "../../docs/guide/failures.md")
}
