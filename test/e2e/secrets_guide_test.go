//go:build machines

package e2e

import "testing"

func TestSecretsGuide(t *testing.T) {
	importBox(t)
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy app@1.service app@2.service shop.container needy.service; fleetctl secret rm db-password; rm -f app@.service shop.container needy.service")
		for _, machine := range allMachines {
			cluster.shell(t, machine, "sudo podman rmi -af")
		}
		cluster.whole(t, "hello@", 3)
	})
	follow(t, "../../docs/guide/secrets.md")
}
