//go:build machines

package e2e

import "testing"

func TestMoveFromFleet(t *testing.T) {
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy moved@1 moved@2 moved@ typo fast; rm -rf units fleet.conf moved@.service wrong.service typo.service fast.service; "+
			"sudo rm -r /etc/systemd/system/fleet.socket.d; sudo systemctl daemon-reload; sudo systemctl restart fleet")
		cluster.whole(t, "hello@", 3)
	})
	follow(t, "../../docs/guide/move-from-fleet.md")
}
