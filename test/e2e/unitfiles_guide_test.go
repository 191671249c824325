//go:build machines

package e2e

import "testing"

func TestUnitFilesGuide(t *testing.T) {
	importBox(t)
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy shop.container goods.volume odd.container nearly.service greet@1.service greet@2.service; "+
			"rm -rf greet@* shop.container goods.volume odd.container typo.service nearly.service")
		for _, machine := range allMachines {
			cluster.shell(t, machine, "sudo podman volume rm -f systemd-goods; sudo podman rmi -af")
		}
	})
	follow(t, "../../docs/guide/unit-files.md")
}
