package nspawn

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestUnifiedRoot(t *testing.T) {
	for name, c := range map[string]struct{ mountinfo, want string }{
		"cgroup v2": {"24 30 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "/sys/fs/cgroup"},
		"hybrid": {"33 24 0:29 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n34 33 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
			"35 33 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified"},
		"version 1 alone": {"34 33 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", ""},
		"empty":           {"", ""},
		"half a line":     {"34 33 - cgroup2 cgroup2", ""},
	} {
		got, found := unifiedRoot(c.mountinfo)
		if got != c.want || found != (c.want != "") {
			t.Errorf("%s: %q, %t; expected %q", name, got, found, c.want)
		}
	}
}

func TestAncestors(t *testing.T) {
	got := ancestors("/sys/fs/cgroup", "/sys/fs/cgroup/argosy/local/core-01")
	if want := []string{"/sys/fs/cgroup", "/sys/fs/cgroup/argosy", "/sys/fs/cgroup/argosy/local"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestParseStat(t *testing.T) {
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n"
	for name, text := range map[string]string{
		"plain":              "12 (systemd)" + tail,
		"brackets and blank": "12 (a) R (b c)" + tail,
	} {
		state, start, err := parseStat(text)
		if state != "S" || start != 4711 || err != nil {
			t.Errorf("%s: %s %d %v", name, state, start, err)
		}
	}
	for name, text := range map[string]string{"empty": "", "no name": "12 S 1", "cut short": "12 (x) S 1 2", "no number": "12 (x) " + strings.Repeat("S ", 30)} {
		if _, _, err := parseStat(text); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("12 (systemd) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20")
	f.Add(")")
	f.Fuzz(func(_ *testing.T, text string) { _, _, _ = parseStat(text) })
}

func TestProcess(t *testing.T) {
	self, err := processOf(os.Getpid())
	if err != nil || !self.Alive() {
		t.Fatalf("this test runs, but: %+v %v", self, err)
	}
	if (Process{PID: self.PID, Start: self.Start + 1}).Alive() {
		t.Error("another process that has this number counts as the recorded one")
	}
	if (Process{}).Alive() {
		t.Error("no process is alive")
	}
	child := exec.CommandContext(t.Context(), "sleep", "100")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	is, err := processOf(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := (Process{PID: is.PID, Start: is.Start - 1}).kill(); err != nil || !is.Alive() {
		t.Errorf("a kill of an earlier process with the same number: %v, alive %t", err, is.Alive())
	}
	if err := is.kill(); err != nil {
		t.Error(err)
	}
	if err := child.Wait(); err == nil || is.Alive() {
		t.Errorf("after its kill: %v, alive %t", err, is.Alive())
	}
	if err := is.kill(); err != nil {
		t.Errorf("a second kill: %v", err)
	}
}

func created(t *testing.T) *Machine {
	t.Helper()
	dir := t.TempDir()
	m, err := Create(filepath.Join(dir, "core-01"), Spec{
		Name: "core-01", Group: "argosy/test", Layers: []string{"/a", "/b"}, Bridge: "argosy0",
		Binds: []Bind{{From: filepath.Join(dir, "docker"), To: "/var/lib/docker"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOpenReadsWhatCreateWrote(t *testing.T) {
	m := created(t)
	again, err := Open(m.dir)
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Errorf("%+v, %v; expected %+v", again, err, m)
	}
	if again.State() != Off {
		t.Errorf("a machine that was never started is %s", again.State())
	}
}

func TestDamagedFiles(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "half": `{"name": "core`, "not JSON": "\x00\x00", "other shape": `[1]`} {
		m := created(t)
		if err := os.WriteFile(m.recordPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if m.State() != Off {
			t.Errorf("%s: a damaged record of what runs counts as %s", name, m.State())
		}
		if err := os.WriteFile(filepath.Join(m.dir, "machine.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(m.dir); err == nil || !strings.Contains(err.Error(), "machine.json") {
			t.Errorf("%s: a damaged machine.json: %v", name, err)
		}
	}
}

// A record of before the host's reboot names processes that are others now.
func TestRecordOfAnEarlierBoot(t *testing.T) {
	m := created(t)
	self, err := processOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(m.recordPath(), record{HostBoot: "an earlier one", Keeper: self, Nspawn: self}); err != nil {
		t.Fatal(err)
	}
	if m.State() != Off {
		t.Errorf("it counts as %s", m.State())
	}
}

func TestArguments(t *testing.T) {
	m := created(t)
	argv := m.arguments()
	for _, want := range []string{"--boot", "--machine=core-01", "--network-bridge=argosy0", "--keep-unit", "--bind=" + m.Spec.Binds[0].From + ":/var/lib/docker"} {
		if !slices.Contains(argv, want) {
			t.Errorf("%q has no %s", argv, want)
		}
	}
	if got := m.overlay(); !strings.HasPrefix(got, "lowerdir=/a:/b,upperdir="+m.dir) {
		t.Errorf("layers: %s", got)
	}
}
