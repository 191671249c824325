//go:build machines

package e2e

import "testing"

func TestPeopleGuide(t *testing.T) {
	t.Cleanup(func() {
		cluster.shell(t, "core-02", "fleetctl context rm 10.99.0.11; rm -f otto.txt")
		cluster.shell(t, "core-01", "argosy user remove otto; fleetctl destroy web@1.service web@.service db.service; rm -f web@.service db.service otto.txt")
		cluster.whole(t, "hello@", 3)
	})
	follow(t, "../../docs/guide/people.md")
}
