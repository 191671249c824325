//go:build machines

package e2e

import (
	"strings"
	"testing"
)

// What each verb answers to good and bad words, as a script sees it.
func TestVerbs(t *testing.T) {
	cluster.write(t, "core-01", "/home/core/verb.service", sleeper)
	cluster.write(t, "core-01", "/home/core/broken.service", "[Unit\nDescription=x\n")
	cluster.write(t, "core-01", "/home/core/fails.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/sh -c 'echo this is why; exit 7'\n")
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy verb.service fails.service; rm -f verb.service broken.service fails.service")
	})
	for _, c := range []struct {
		from, line string
		code       int
		says       string // found in stdout or stderr
	}{
		{"core-01", "fleetctl submit verb.service", 0, ""},
		{"core-02", "fleetctl cat verb.service | cmp - <(printf '" + strings.ReplaceAll(strings.ReplaceAll(sleeper, "%", "%%"), "\n", `\n`) + "')", 0, ""},
		{"core-02", "fleetctl list-unit-files --fields unit,dstate,state --no-legend | grep verb", 0, "inactive"},
		{"core-02", "fleetctl load verb.service", 0, "loaded on"},
		{"core-03", "fleetctl start verb", 0, "launched on"},
		{"core-03", "fleetctl status verb.service", 0, "active (running)"},
		{"core-03", "fleetctl journal --lines 5 verb.service", 0, "Started"},
		{"core-02", "fleetctl restart verb.service", 0, "verb.service"},
		{"core-02", "timeout 5 fleetctl logs --lines 20 verb.service; true", 0, "Stopped"},
		{"core-03", "fleetctl stop verb.service", 0, "Successfully stopped units [verb.service]"},
		{"core-01", "fleetctl list-units --fields unit,load,active --no-legend | grep verb", 0, "inactive"},
		{"core-01", "fleetctl unload verb.service", 0, "Successfully unloaded units [verb.service]"},
		{"core-01", "fleetctl list-units --fields unit --no-legend | grep -c verb", 1, "0"},
		{"core-01", "fleetctl start verb.service", 0, "launched on"},
		{"core-02", "fleetctl destroy verb.service", 0, "Destroyed verb.service"},
		{"core-02", "fleetctl cat verb.service", 3, "verb.service"},
		{"core-02", "systemctl is-active verb.service", 4, ""},

		{"core-01", "fleetctl start fails.service", 1, "this is why"},
		{"core-01", "fleetctl submit broken.service", 1, "broken.service:1"},
		{"core-01", "fleetctl list-unit-files --no-legend | grep -c broken", 1, "0"},
		{"core-01", "fleetctl start nothing-of-that-name.service", 3, "nothing-of-that-name.service"},
		{"core-01", "fleetctl start 'bad name.service'", 2, "bad name.service"},
		{"core-01", "fleetctl frobnicate", 2, "frobnicate"},
		{"core-01", "fleetctl list-units --frobnicate", 2, "frobnicate"},
		{"core-01", "fleetctl list-units --fields unit,colour", 1, `Invalid key in output format: "colour"`},
		{"core-01", "fleetctl --endpoint unix:///nowhere.sock list-units", 1, "nowhere.sock"},
		{"core-01", "fleetctl version", 0, "fleetctl version"},
		{"core-01", "fleetctl help", 0, "list-machines"},
		{"core-01", "fleetctl list-machines -o json", 0, `"machines": [`},
	} {
		out := cluster.shell(t, c.from, c.line)
		if out.code != c.code || !strings.Contains(out.stdout+out.stderr, c.says) {
			t.Errorf("%s $ %s\nexit %d, expected %d and %q\nstdout: %s\nstderr: %s", c.from, c.line, out.code, c.code, c.says, out.stdout, out.stderr)
		}
	}
}
