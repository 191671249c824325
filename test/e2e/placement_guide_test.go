//go:build machines

package e2e

import "testing"

func TestPlacementGuide(t *testing.T) {
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy whale.service shop@1.service shop@2.service; rm -f whale.service shop@.service; "+
			"for m in core-01 core-02 core-03; do fleetctl label $m --reset --yes; done")
		cluster.whole(t, "hello@", 3)
	})
	follow(t, "../../docs/guide/placement.md")
}
