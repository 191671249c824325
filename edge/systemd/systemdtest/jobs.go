package systemdtest

import (
	"fmt"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/core/unitfile"
)

// The texts of the contract use few words, so that a fake can read them:
// ExecStart= and ExecStartPre= with sleep, true or false, Type=, Requires=.
const (
	sleeps   = "[Service]\nExecStart=/bin/sleep 3600\n"
	naps     = "[Service]\nExecStart=/bin/sleep 7200\n"
	ends     = "[Service]\nExecStart=/bin/true\n"
	failing  = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
	failSoon = "[Service]\nExecStart=/bin/false\n"
	slow     = "[Service]\nExecStartPre=/bin/sleep 3600\nExecStart=/bin/sleep 3600\n"
	unusable = "[Service]\nType=nonsense\n"
)

func active(s converge.Status) bool { return s.Active == "active" && s.Job == 0 }
func down(s converge.Status) bool   { return !s.Up() && s.Active != "failed" }
func ended(s converge.Status) bool  { return !s.Up() }

func startsAndStops(t *testing.T, w *watched) {
	unit := w.unit("contra-sleep.service", sleeps)
	status := w.do(converge.StartJob, unit, "done")
	if !active(status) || status.Sub != "running" || !status.Up() || status.Invocation == "" || status.Shadow != "" {
		t.Errorf("status at the end of the start: %+v", status)
	}
	w.awaitStatus(unit, "active", active)
	if status := w.do(converge.StopJob, unit, "done"); status.Up() {
		t.Errorf("status at the end of the stop: %+v", status)
	}
	w.awaitStatus(unit, "down", down)
}

func startsOnce(t *testing.T, w *watched) {
	unit := w.unit("contra-once.service", sleeps)
	first := w.do(converge.StartJob, unit, "done").Invocation
	if again := w.do(converge.StartJob, unit, "done").Invocation; again != first {
		t.Errorf("the second start made invocation %s of %s", again, first)
	}
}

func endsAtOnce(t *testing.T, w *watched) {
	unit := w.unit("contra-true.service", ends)
	w.do(converge.StartJob, unit, "done")
	status := w.awaitStatus(unit, "down", down)
	if status.Result != "" && status.Result != "success" {
		t.Errorf("its result is %q, expected success", status.Result)
	}
}

func fails(t *testing.T, w *watched) {
	unit := w.unit("contra-false.service", failing)
	w.do(converge.StartJob, unit, "failed")
	status := w.awaitStatus(unit, "failed", func(s converge.Status) bool { return s.Active == "failed" && s.Job == 0 })
	if status.Result != "exit-code" || !status.InMemory || status.Up() {
		t.Errorf("status of a failed unit: %+v", status)
	}
	if err := w.ResetFailed(t.Context(), unit); err != nil {
		t.Fatal(err)
	}
	w.awaitStatus(unit, "reset", down)
}

func failsLater(t *testing.T, w *watched) {
	unit := w.unit("contra-later.service", failSoon)
	w.do(converge.StartJob, unit, "done")
	status := w.awaitStatus(unit, "failed", func(s converge.Status) bool { return s.Active == "failed" })
	if status.Result != "exit-code" {
		t.Errorf("its result is %q, expected exit-code", status.Result)
	}
}

func badText(t *testing.T, w *watched) {
	unit := w.unit("contra-bad.service", unusable)
	if err := w.Enqueue(t.Context(), converge.StartJob, unit, w.refused); err == nil {
		t.Error("a start of a text without ExecStart was accepted")
	}
}

func noText(t *testing.T, w *watched) {
	if err := w.Enqueue(t.Context(), converge.StartJob, "contra-absent.service", w.refused); err == nil {
		t.Error("a start of a unit without text was accepted")
	}
}

func stopCancelsStart(t *testing.T, w *watched) {
	unit := w.unit("contra-slow.service", slow)
	start := w.enqueue(converge.StartJob, unit)
	status := w.awaitStatus(unit, "starting", func(s converge.Status) bool { return s.Active == "activating" && s.Job != 0 })
	if !status.Up() {
		t.Errorf("a starting unit is not up: %+v", status)
	}
	w.do(converge.StopJob, unit, "done")
	w.ended(start, "the start", "canceled")
	w.awaitStatus(unit, "ended", ended) // as failed: its ExecStartPre was killed
}

// restartOfAStart: what is starting is ended and started anew, and who waits for the
// first job waits for the second.
func restartOfAStart(_ *testing.T, w *watched) {
	unit := w.unit("contra-restarted.service", slow)
	start := w.enqueue(converge.StartJob, unit)
	first := w.awaitStatus(unit, "starting", func(s converge.Status) bool { return s.Active == "activating" && s.Job != 0 }).Invocation
	anew := func(s converge.Status) bool { return s.Active == "activating" && s.Job != 0 && s.Invocation != first }
	restart := w.enqueue(converge.RestartJob, unit)
	second := w.awaitStatus(unit, "starting anew", anew).Invocation
	first = second
	again := w.enqueue(converge.RestartJob, unit) // a restart whose turn to start has come is as a start
	w.awaitStatus(unit, "starting a third time", anew)
	w.do(converge.StopJob, unit, "done")
	for what, job := range map[string]<-chan converge.Outcome{"the start": start, "the restart": restart, "the second restart": again} {
		w.ended(job, what, "canceled")
	}
}

func requirementFails(_ *testing.T, w *watched) {
	w.unit("contra-base.service", failing)
	unit := w.unit("contra-top.service", "[Unit]\nRequires=contra-base.service\nAfter=contra-base.service\n"+sleeps)
	w.do(converge.StartJob, unit, "dependency")
}

func newText(t *testing.T, w *watched) {
	unit := w.unit("contra-text.service", sleeps)
	first := w.do(converge.StartJob, unit, "done").Invocation
	if err := w.Write(unit, "[Unit]\nDescription=the second text\n"+naps); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := w.awaitStatus(unit, "still active", active); status.Invocation != first {
		t.Errorf("the reload alone made a new invocation: %+v", status)
	}
	status := w.do(converge.RestartJob, unit, "done")
	if status.Invocation == first || !active(status) {
		t.Errorf("status after the restart: %+v, the first invocation was %s", status, first)
	}
}

func instance(t *testing.T, w *watched) {
	unit := w.unit("contra-inst@a-1.service", sleeps)
	if status := w.do(converge.StartJob, unit, "done"); status.Shadow != "" || status.Unit != unit {
		t.Errorf("status of an instance: %+v", status)
	}
	w.awaitStatus(unit, "active", active)
}

// dropIns: what is written with the text takes effect with it, and is gone with
// the next text that comes without.
func dropIns(t *testing.T, w *watched) {
	const name = "contra-dropin@1.service"
	content := unitfile.Bundle{Text: failing, DropIns: []unitfile.DropIn{
		{Name: "10-resets.conf", Text: "[Service]\nExecStart=\n"}, {Name: "20-ends.conf", Text: "[Service]\nExecStart=/bin/true\n"},
	}}.Content()
	unit := w.unit(name, content)
	if hash := list(t, w)[unit]; hash != cluster.HashOf(content) {
		t.Errorf("listed with the hash %q", hash)
	}
	w.do(converge.StartJob, unit, "done")
	if err := w.Write(unit, failing); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.do(converge.StartJob, unit, "failed")
}

// quadlet: a Quadlet file is known once systemd has read its files, under its own
// name, and for as long as systemd has not read them again.
func quadlet(t *testing.T, w *watched) {
	const name = "contra.volume"
	unit := w.unit(name, "[Volume]\nVolumeName=contra\n[Service]\nExecStop=/usr/bin/podman volume rm contra\n")
	if err := w.Enqueue(t.Context(), converge.StartJob, unit, w.refused); err == nil {
		t.Error("a Quadlet file was started that systemd has not read")
	}
	reload := func() {
		t.Helper()
		if err := w.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	reload()
	status := w.do(converge.StartJob, unit, "done")
	if !active(status) || status.Unit != unit || status.Shadow != "" || status.Invocation == "" {
		t.Errorf("status at the end of the start: %+v", status)
	}
	w.awaitStatus(unit, "active", active)
	w.Disconnect(t)
	w.await("a new list", func() bool { return w.resets > 1 })
	if again := w.awaitStatus(unit, "active", active); again.Invocation != status.Invocation {
		t.Errorf("invocation %q in the new list, expected %q", again.Invocation, status.Invocation)
	}
	w.do(converge.StopJob, unit, "done")
	w.awaitStatus(unit, "down", down)
	if err := w.Remove(unit); err != nil {
		t.Fatal(err)
	}
	reload()
	if err := w.Enqueue(t.Context(), converge.StartJob, unit, w.refused); err == nil {
		t.Error("a Quadlet file was started that is no longer there")
	}
}

func badQuadlet(t *testing.T, w *watched) {
	unit := w.unit("contra-bad.volume", "[Volume]\nNonsense=1\n")
	if err := w.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	const says = "no service was made of it"
	err := w.Enqueue(t.Context(), converge.StartJob, unit, w.refused)
	if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "Nonsense") {
		t.Errorf("error %v, expected %q and why", err, says)
	}
}

func shadowed(t *testing.T, w *watched) {
	path := w.Override(t, "contra-shadow.service", naps)
	unit := w.unit("contra-shadow.service", sleeps)
	w.do(converge.StartJob, unit, "done")
	status := w.awaitStatus(unit, "shadowed", func(s converge.Status) bool { return active(s) && s.Shadow != "" })
	if status.Shadow != path {
		t.Errorf("shadowed by %q, expected %q", status.Shadow, path)
	}
	w.do(converge.StopJob, unit, "done")
}

func secondFollower(t *testing.T, w *watched) {
	up, broken := w.unit("contra-up.service", sleeps), w.unit("contra-broken.service", failing)
	invocation := w.do(converge.StartJob, up, "done").Invocation
	w.do(converge.StartJob, broken, "failed")
	w.Disconnect(t)
	w.await("a new list", func() bool { return w.resets > 1 })
	if status := w.awaitStatus(up, "active", active); status.Invocation != invocation {
		t.Errorf("invocation %q in the new list, expected %q", status.Invocation, invocation)
	}
	if status := w.awaitStatus(broken, "failed", func(s converge.Status) bool { return s.Active == "failed" }); status.Result != "exit-code" {
		t.Errorf("result %q in the new list, expected exit-code", status.Result)
	}
}

func lostConnection(t *testing.T, w *watched) {
	unit := w.unit("contra-lost.service", slow)
	start := w.enqueue(converge.StartJob, unit)
	w.Disconnect(t)
	if outcome := <-start; outcome.Result != "" {
		t.Errorf("the job ended as %+v, expected no word of it", outcome)
	}
	w.await("a new list", func() bool { return w.resets > 1 })
	w.awaitStatus(unit, "still starting", func(s converge.Status) bool { return s.Active == "activating" && s.Job != 0 })
}

func manyAtOnce(t *testing.T, w *watched) {
	const many = 100
	var units []cluster.UnitName
	for i := range many {
		units = append(units, w.unit(cluster.UnitName(fmt.Sprintf("contra-many@%d.service", i)), sleeps))
	}
	var jobs []<-chan converge.Outcome
	for _, unit := range units {
		jobs = append(jobs, w.enqueue(converge.StartJob, unit))
	}
	for i, job := range jobs {
		w.ended(job, string(units[i]), "done")
	}
	for _, unit := range units {
		w.awaitStatus(unit, "active", active)
	}
}
