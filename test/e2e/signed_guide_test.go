//go:build machines

package e2e

import "testing"

func TestSignedGuide(t *testing.T) {
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl policy off; sudo rm -f /etc/argosy/policy; fleetctl destroy signed@1.service signed@2.service pinned.container; rm -f signed@.service* pinned.container alice.key* bob.key* allowed both")
		cluster.whole(t, "hello@", 3)
	})
	follow(t, "../../docs/guide/signed-units.md")
}
