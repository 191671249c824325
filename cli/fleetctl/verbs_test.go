package fleetctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/core/cluster"
)

const text = "[Unit]\nDescription=A test\n[Service]\nExecStart=/bin/sleep 1\n"

// files writes unit files of the same text into a new folder, and makes it the
// one that the test runs in.
func files(t *testing.T, names ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range names {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// want checks what a run said. Of stderr only a part is given; "" wants silence.
func (w *world) want(got said, code int, out, err string) {
	w.Helper()
	if got.code != code || got.out != out || !strings.Contains(got.err, err) || err == "" && got.err != "" {
		w.Errorf("exit %d\nstdout:\n%sstderr:\n%s\nwant exit %d\nstdout:\n%sstderr with:\n%s", got.code, got.out, got.err, code, out, err)
	}
}

func TestLifeOfAUnit(t *testing.T) {
	w := newWorld(t)
	files(t, "hello.service")
	w.want(w.fleetctl("submit", "hello"), 0, "Unit hello.service inactive\n", "")
	w.want(w.fleetctl("cat", "hello.service"), 0, text, "")
	w.want(w.fleetctl("load", "hello"), 0, "Unit hello.service loaded on 148a18ff.../10.10.1.1\n", "")
	w.want(w.fleetctl("start", "hello.service"), 0, "Unit hello.service launched on 148a18ff.../10.10.1.1\n", "")
	w.want(w.fleetctl("list-units"), 0, "UNIT\t\tMACHINE\t\t\tACTIVE\tSUB\nhello.service\t148a18ff.../10.10.1.1\tactive\trunning\n", "")
	w.want(w.fleetctl("list-unit-files"), 0,
		"UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\nhello.service\t"+hashOf(text)+"\tlaunched\tlaunched\t148a18ff.../10.10.1.1\n", "")
	w.want(w.fleetctl("status", "hello"), 0, "● hello.service\n", "")
	w.want(w.fleetctl("journal", "hello", "--lines=2"), 0, "hello.service says 1\nhello.service says 2\n", "")
	w.want(w.fleetctl("stop", "hello"), 0, "Unit hello.service loaded on 148a18ff.../10.10.1.1\n", "Successfully stopped units [hello.service].\n")
	w.want(w.fleetctl("unload", "hello"), 0, "Unit hello.service inactive\n", "Successfully unloaded units [hello.service].\n")
	w.want(w.fleetctl("stop", "hello"), 1, "", "Unable to stop unit hello.service in state inactive")
	w.want(w.fleetctl("destroy", "hello"), 0, "Destroyed hello.service\n", "")
	w.want(w.fleetctl("cat", "hello"), 3, "", "unit hello.service: not found")
	w.want(w.fleetctl("list-units", "--no-legend"), 0, "", "")
}

func TestStartTellsTheOutcome(t *testing.T) {
	w := newWorld(t)
	files(t, "done.service", "fail.service", "nowhere.service", "slow.service")
	w.want(w.fleetctl("start", "done"), 0, "Unit done.service launched on 148a18ff.../10.10.1.1\n",
		"Unit done.service has ended: on core-01: inactive (dead)\n")
	got := w.fleetctl("start", "fail")
	w.want(got, 1, "Unit fail.service launched on 148a18ff.../10.10.1.1\n", "Unit fail.service failed: on core-01: failed (failed), exit-code\n")
	w.want(got, 1, got.out, "fail.service says 10\n")
	w.want(w.fleetctl("start", "nowhere"), 4, "",
		"Unit nowhere.service is on no machine: conflicts with mongo@1.service; it starts as soon as a machine fits\n")
	w.want(w.fleetctl("start", "slow", "--timeout=50ms"), 5, "", "Unit slow.service: not there in time: ")
	w.want(w.fleetctl("start", "slow", "--no-block"), 0, "Triggered unit slow.service start\n", "")
	w.want(w.fleetctl("status", "nowhere"), 3, "", "unit nowhere.service is on no machine: conflicts with mongo@1.service")
	w.want(w.fleetctl("status", "fail", "done"), 3, "× fail.service\n\n● done.service\n", "")
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	files(t, "a.service", "b.service", "slow.service", "fail.service", "agent.service", "idle.service")
	if err := os.WriteFile("agent.service", []byte(text+globally), 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("start", "a", "b", "slow", "agent", "--no-block"), 0,
		"Triggered unit a.service start\nTriggered unit b.service start\nTriggered unit slow.service start\nTriggered global unit agent.service start\n", "")
	w.want(w.fleetctl("submit", "fail", "idle"), 0, "Unit fail.service inactive\nUnit idle.service inactive\n", "")
	before := w.generation("a.service")
	launched := func(name string) string {
		return "Unit " + name + ".service launched on 148a18ff.../10.10.1.1\n"
	}
	w.want(w.fleetctl("restart", "a", "b", "a"), 0, launched("a")+launched("b"), "")
	if after := w.generation("a.service"); after != before+1 {
		t.Errorf("generation %d after %d, want one restart", after, before)
	}
	w.want(w.fleetctl("restart", "a", "--no-block"), 0, "Triggered unit a.service restart\n", "")
	before = w.generation("agent.service")
	w.want(w.fleetctl("restart", "agent"), 0, "Triggered global unit agent.service restart\nUnit agent.service launched on 148a18ff.../10.10.1.1\n"+
		"Unit agent.service launched on 491586a6.../10.10.1.2\nUnit agent.service launched on c9de9451.../10.10.1.3\n", "")
	if got := fmt.Sprint(w.heard.take(&w.heard.restarts)); got != "[agent.service on core-01 agent.service on core-02 agent.service on core-03]" {
		t.Errorf("restarted %s", got)
	}
	if after := w.generation("agent.service"); after != before {
		t.Errorf("generation %d after %d, though no placement has to change", after, before)
	}
	w.want(w.fleetctl("restart", "idle"), 0, launched("idle"), "")
	before = w.generation("b.service")
	w.want(w.fleetctl("restart", "a", "slow", "b", "--timeout=50ms"), 5, launched("a"), "Not restarted: [b.service]\n")
	w.want(w.fleetctl("restart", "fail", "b"), 1, launched("fail"), "Not restarted: [b.service]\n")
	w.want(w.fleetctl("restart", "nothing", "b"), 3, "", "unit nothing.service: not found\nNot restarted: [b.service]\n")
	if after := w.generation("b.service"); after != before {
		t.Errorf("generation %d after %d: it was restarted behind one that failed", after, before)
	}
	w.want(w.fleetctl("restart"), 0, "", "No units given")
}

func (w *world) generation(name cluster.UnitName) int64 {
	w.Helper()
	stored, _, err := w.store.Unit(w.Context(), name)
	if err != nil {
		w.Fatal(err)
	}
	return stored.Generation
}

func TestInstances(t *testing.T) {
	w := newWorld(t)
	files(t, "hello@.service", "other.service")
	got := w.fleetctl("start", "hello@1", "hello@2", "hello@3")
	if got.code != 0 || strings.Count(got.out, " launched on ") != 3 {
		t.Errorf("%+v", got)
	}
	if err := os.Remove("hello@.service"); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("start", "hello@4"), 3, "", "and there is no file hello@4.service")
	w.want(w.fleetctl("submit", filepath.Join(".", "other")), 0, "Unit other.service inactive\n", "")
	if err := os.WriteFile("late@.service", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("submit", "late@"), 0, "Unit late@.service inactive\n", "")
	if err := os.Remove("late@.service"); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("load", "late@x"), 0, "Unit late@x.service loaded on c9de9451.../10.10.1.3\n", "")
	w.want(w.fleetctl("start", "late@"), 1, "", "late@.service is a template: it can only be inactive; name an instance, such as late@1.service")
}

func TestAFileThatDiffers(t *testing.T) {
	w := newWorld(t)
	files(t, "web.service", "app@.service")
	launched := "Unit web.service launched on 148a18ff.../10.10.1.1\n"
	if got := w.fleetctl("start", "web", "app@1", "app@2"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	changed := strings.Replace(text, "sleep 1", "sleep 2", 1)
	for _, name := range []string{"web.service", "app@.service"} {
		if err := os.WriteFile(name, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := w.fleetctl("start", "web")
	w.want(got, 0, launched, "WARNING: Unit web.service in registry differs from local unit file web.service")
	w.golden("differs.start", got.err)
	w.golden("differs.instances", w.fleetctl("start", "app@1", "app@2", "--no-block").err)
	w.want(w.fleetctl("cat", "web"), 0, text, "")
	w.want(w.fleetctl("submit", "--replace", "web"), 0, "", "Unit web.service is launched: it is not replaced")
	w.want(w.fleetctl("start", "--replace", "web"), 0, launched, "")
	w.want(w.fleetctl("cat", "web"), 0, changed, "")
	w.want(w.fleetctl("start", "--replace", "app@1"), 0, "Unit app@1.service launched on 491586a6.../10.10.1.2\n", "")
	w.want(w.fleetctl("cat", "app@1"), 0, changed, "")
	w.want(w.fleetctl("cat", "app@2"), 0, text, "")
}

// TestATemplateThatChanged in the cluster is a newer text of its instances.
func TestATemplateThatChanged(t *testing.T) {
	w := newWorld(t)
	files(t, "app@.service")
	w.want(w.fleetctl("submit", "app@"), 0, "Unit app@.service inactive\n", "")
	launched := "Unit app@1.service launched on 491586a6.../10.10.1.2\n"
	w.want(w.fleetctl("start", "app@1"), 0, launched, "")
	changed := text + "Restart=always\n"
	if err := os.WriteFile("app@.service", []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("submit", "app@", "--replace"), 0, "Unit app@.service inactive\n", "on machines and not replaced: 1 (start --replace does it)\n")
	t.Chdir(t.TempDir())
	got := w.fleetctl("start", "app@1")
	w.want(got, 0, launched, "differs from its template app@.service there")
	w.golden("differs.template", got.err)
	w.want(w.fleetctl("start", "app@1", "--replace"), 0, launched, "")
	w.want(w.fleetctl("cat", "app@1"), 0, changed, "")
	w.want(w.fleetctl("start", "app@1"), 0, launched, "")
}

func TestManyUnitsAtOnce(t *testing.T) {
	w := newWorld(t)
	files(t, "many@.service")
	args := []string{"start"}
	for i := range 300 {
		args = append(args, fmt.Sprintf("many@%d", i))
	}
	got := w.fleetctl(args...)
	if got.code != 0 || strings.Count(got.out, " launched on ") != 300 {
		t.Fatalf("exit %d, %d units launched: %s", got.code, strings.Count(got.out, " launched on "), got.err)
	}
	args[0] = "destroy"
	if got = w.fleetctl(args...); got.code != 0 || strings.Count(got.out, "Destroyed ") != 300 {
		t.Fatalf("exit %d, %d units destroyed: %s", got.code, strings.Count(got.out, "Destroyed "), got.err)
	}
}

func TestAFileThatIsNoText(t *testing.T) {
	w := newWorld(t)
	files(t)
	if err := os.WriteFile("latin.service", []byte("[Unit]\nDescription=\xe9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("submit", "latin"), 1, "", "latin.service")
	w.want(w.fleetctl("list-unit-files", "--no-legend"), 0, "", "")
}

func hashOf(text string) string { return string(cluster.HashOf(text)[:7]) }
