//go:build machines

package e2e

import (
	"strings"
	"testing"
)

// A program written against fleet 1.0 speaks to the socket or to HTTPS, on any
// machine.
func TestFleetAPIVersion1(t *testing.T) {
	const curl = "curl -sS --unix-socket /run/fleet.sock "
	t.Cleanup(func() { cluster.shell(t, "core-01", "fleetctl destroy v1.service") })
	for _, c := range []struct{ from, line, says string }{
		{"core-01", curl + "http://fleet/fleet/v1/machines", `"primaryIP":"10.99.0.12"`},
		{"core-02", curl + `-o /dev/null -w '%{http_code}' -X PUT -H 'Content-Type: application/json' http://fleet/fleet/v1/units/v1.service ` +
			`-d '{"desiredState":"launched","options":[{"section":"Service","name":"ExecStart","value":"/usr/bin/sleep infinity"}]}'`, "201"},
		{"core-03", "fleetctl start v1.service && " + curl + "http://fleet/fleet/v1/state/v1.service", `"systemdActiveState":"active"`},
		{"core-03", "fleetctl cat v1.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n"},
		{"core-01", curl + "http://fleet/v1-alpha/units/v1.service", `"currentState":"launched"`},
		{"core-01", curl + "http://fleet/fleet/v1/units/none.service", `"code":404`},
		{"core-01", curl + "-X DELETE -o /dev/null -w '%{http_code}' http://fleet/fleet/v1/units/v1.service", "204"},
		{"core-01", "sudo curl -sS --cacert /etc/argosy/pki/ca.crt --cert /etc/argosy/pki/machine.crt --key /etc/argosy/pki/machine.key https://10.99.0.12:49153/fleet/v1/discovery", "fleet"},
	} {
		if got := cluster.must(t, c.from, c.line); !strings.Contains(got, c.says) {
			t.Errorf("%s $ %s\nprinted %s\nexpected %s", c.from, c.line, got, c.says)
		}
	}
}
