package unitfile_test

import (
	"testing"

	"argosy/core/unitfile"
)

// TestRestart: whether a failure is one after which systemd was to start the unit
// again, by the table of systemd.service(5).
func TestRestart(t *testing.T) {
	for _, c := range []struct{ text, covered, left string }{
		{"", "", "exit-code"},
		{"Restart=no", "", "exit-code"},
		{"Restart=always", "exit-code", "success"},
		{"Restart=on-failure", "start-limit-hit", "success"},
		{"Restart=on-success", "", "exit-code"},
		{"Restart=on-abnormal", "timeout", "exit-code"},
		{"Restart=on-abort", "core-dump", "timeout"},
		{"Restart=on-watchdog", "watchdog", "signal"},
		{"Restart=on-watchdog", "start-limit-hit", "exit-code"},
		{"Restart=nonsense", "", "exit-code"},
		{"Restart=always\nRestart=no", "", "exit-code"},
		{"Restart=always\nRestart=", "", "exit-code"},
		{"Restart=always\nRestartPreventExitStatus=3", "", "exit-code"},
		{"Restart=always\nRestartPreventExitStatus=3\nRestartPreventExitStatus=", "exit-code", "success"},
	} {
		file, err := unitfile.Parse("a.service", "[Service]\n"+c.text+"\n[Socket]\nRestart=always\n")
		if err != nil {
			t.Fatal(err)
		}
		needs, err := file.Placing().Requirements("a.service")
		if err != nil {
			t.Fatal(err)
		}
		if c.covered != "" && !needs.Restart.Covers(c.covered) || needs.Restart.Covers(c.left) {
			t.Errorf("%q: %s: %v, %s: %v", c.text, c.covered, needs.Restart.Covers(c.covered), c.left, needs.Restart.Covers(c.left))
		}
	}
	file, err := unitfile.Parse("a.socket", "[Service]\nRestart=always\n")
	if err != nil {
		t.Fatal(err)
	}
	if needs, err := file.Requirements("a.socket"); err != nil || needs.Restart != "" {
		t.Errorf("a socket: %q, %v", needs.Restart, err)
	}
}
