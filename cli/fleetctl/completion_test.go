package fleetctl

import (
	"os"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	w := newWorld(t)
	files(t, "hello.service", "web@.service", "late.timer")
	if err := os.WriteFile("README.md", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("submit", "web@"), 0, "Unit web@.service inactive\n", "")
	w.want(w.fleetctl("start", "web@1", "hello", "--no-block"), 0, "Triggered unit web@1.service start\nTriggered unit hello.service start\n", "")
	w.want(w.fleetctl("restart", "web@1", "hello"), 0,
		"Unit web@1.service launched on 491586a6.../10.10.1.2\nUnit hello.service launched on 148a18ff.../10.10.1.1\n", "")
	w.want(w.fleetctl("label", "core-02", "region=eu"), 0, "No unit moves.\nMachine core-02 labelled: region=eu\n", "")
	for _, c := range []struct{ typed, want string }{
		{"status +", "hello.service\tactive web@1.service\tactive"},
		{"status w+", "web@1.service\tactive"},
		{"status hello.service +", "web@1.service\tactive"},
		{"cat w+", "web@.service\tinactive web@1.service\tactive"},
		{"cat hello.service +", ""},
		{"destroy x+", ""},
		{"start l+", "late.timer\ta file"},
		{"start ./l+", "./late.timer\ta file"},
		{"start web@1.service w+", "web@.service\ta file"},
		{"start nowhere/+", ""},
		{"logs --machine core-0+", "core-01\t148a18ff.../10.10.1.1 core-02\t491586a6.../10.10.1.2 core-03\tc9de9451.../10.10.1.3"},
		{"label core-0+", "core-01\t148a18ff.../10.10.1.1 core-02\t491586a6.../10.10.1.2 core-03\tc9de9451.../10.10.1.3"},
		{"label core-02 r+", "region=\teu region-\teu"},
		{"label core-01 +", ""},
		{"why w+", "web@1.service\tactive"},
		{"list-units -o +", "table wide json yaml"},
		{"list-machines --fields machine,+", "machine,ip machine,metadata machine,hostname machine,member machine,version machine,away"},
		{"--driver +", "API"},
	} {
		args := append([]string{"__complete"}, strings.Split(strings.ReplaceAll(c.typed, "+", ""), " ")...)
		got := runFleetctl(t.Context(), append(args[:1:1], append([]string{"--endpoint", "unix://" + w.socket}, args[1:]...)...)...)
		offered, _, _ := strings.Cut(got.out, ":")
		if want := strings.ReplaceAll(c.want, " ", "\n"); strings.TrimSpace(strings.ReplaceAll(offered, "a file", "a\nfile")) != want || got.code != 0 {
			t.Errorf("%s offers\n%swant\n%s", c.typed, got.out, want)
		}
	}
}

// TestCompletionIsSilent where nobody answers: the user is in the midst of typing.
func TestCompletionIsSilent(t *testing.T) {
	for _, endpoint := range []string{"unix:///nowhere.sock", "ftp://x"} {
		for _, verb := range []string{"status", "journal", "destroy"} {
			got := runFleetctl(t.Context(), "__complete", "--endpoint", endpoint, verb, "")
			if got.code != 0 || got.out != ":4\n" || strings.Contains(got.err, "nowhere") {
				t.Errorf("%s %s: %+v", endpoint, verb, got)
			}
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	t.Setenv("FLEETCTL_ENDPOINT", "ftp://x") // a script asks nobody
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := runFleetctl(t.Context(), "completion", shell); got.code != 0 || !strings.Contains(got.out, "fleetctl") {
			t.Errorf("%s: exit %d, %s", shell, got.code, got.err)
		}
	}
}
