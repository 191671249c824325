//go:build machines

// These tests run as root on a machine whose PID 1 is systemd. test/e2e builds
// them with `go test -c -tags machines` and runs them inside a local machine.

package systemd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/edge/systemd"
	"argosy/edge/systemd/systemdtest"
)

// real is this machine's systemd, with folders of the test's own.
type real struct {
	*systemd.Manager
	*systemd.Files
}

func open(t testing.TB) (real, systemd.Folders) {
	base, err := os.MkdirTemp("/run", "fleet-contract-") // as fleet's: in memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	folders := systemd.DefaultFolders()
	folders.Units = filepath.Join(base, "units")
	folders.Started = filepath.Join(base, "started")
	folders.Lease = filepath.Join(base, "lease")
	folders.Secrets, folders.Credentials = filepath.Join(base, "secrets"), filepath.Join(base, "credentials")
	return real{systemd.NewManager(systemd.PrivateSocket, folders), systemd.NewFiles(folders)}, folders
}

func TestContractOnRealSystemd(t *testing.T) {
	systemdtest.Run(t, func(t *testing.T) systemdtest.Subject {
		machine, _ := open(t)
		return systemdtest.Subject{Machine: machine, Override: override, Disconnect: reexec}
	})
}

func override(t *testing.T, unit cluster.UnitName, text string) string {
	path := filepath.Join("/etc/systemd/system", string(unit))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

func reexec(t *testing.T) {
	if out, err := exec.Command("systemctl", "daemon-reexec").CombinedOutput(); err != nil {
		t.Fatalf("systemctl daemon-reexec: %v: %s", err, out)
	}
}

// follow keeps the manager connected for the test and says when it is.
func follow(t testing.TB, m real) {
	ctx, cancel := context.WithCancel(context.Background())
	connected, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.Follow(ctx, func(o converge.Observation) error { // ends with ctx
			if o.Reset {
				close(connected)
			}
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	<-connected
}

func TestAliasIsStartedAsSystemdResolvesIt(t *testing.T) {
	m, _ := open(t)
	follow(t, m)
	override(t, "contra-theirs.service", "[Service]\nExecStart=/bin/sleep 3600\n")
	link := "/etc/systemd/system/contra-ours.service"
	if err := os.Symlink("contra-theirs.service", link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(link) }) // gone is what matters
	if err := m.Write("contra-ours.service", "[Service]\nExecStart=/bin/sleep 7200\n"); err != nil {
		t.Fatal(err)
	}
	outcome := <-enqueue(t, m, converge.StartJob, "contra-ours.service")
	if outcome.Result != "done" || outcome.Status.Active != "active" {
		t.Errorf("the alias was started as %+v", outcome)
	}
	<-enqueue(t, m, converge.StopJob, "contra-ours.service")
	if err := m.Remove("contra-ours.service"); err != nil {
		t.Error(err)
	}
}

func enqueue(t testing.TB, m real, kind converge.Job, unit cluster.UnitName) <-chan converge.Outcome {
	ended := make(chan converge.Outcome, 1)
	if err := m.Enqueue(t.Context(), kind, unit, func(o converge.Outcome) { ended <- o }); err != nil {
		t.Fatal(err)
	}
	return ended
}

// TestFollowedJournalIsWhole: however often it breaks off, what was handed over
// with cursors is all that the unit has logged, each line once.
func TestFollowedJournalIsWhole(t *testing.T) {
	m, _ := open(t)
	follow(t, m)
	const unit, most = "contra-counts.service", 400
	script := fmt.Sprintf("for i in $(seq %d); do echo line $i; test $((i %% 40)) != 0 || sleep 0.1; done", most)
	if err := m.Write(unit, "[Service]\nExecStart=/bin/sh -c '"+strings.ReplaceAll(script, "%", "%%")+"'\n"); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range most {
		fmt.Fprintf(&want, "line %d\n", i+1)
	}
	<-enqueue(t, m, converge.StartJob, unit)
	options := systemd.Options{Lines: 0, Output: "cat", After: beginning(t, unit)}
	var got, held strings.Builder
	breaks := 0
	for got.Len() < want.Len() {
		held.Reset()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := m.FollowJournal(ctx, unit, options, func(text []byte, cursor string) error {
			held.Write(text)
			if cursor == "" {
				return nil
			}
			for line := range strings.Lines(held.String()) {
				if strings.HasPrefix(line, "line ") {
					got.WriteString(line)
				}
			}
			held.Reset()
			options.After = cursor
			return errBreak
		})
		cancel()
		if !errors.Is(err, errBreak) {
			t.Fatalf("%v after\n%s", err, got.String())
		}
		breaks++
	}
	if got.String() != want.String() {
		t.Errorf("after %d breaks:\n%s", breaks, got.String())
	}
	if breaks < 2 {
		t.Errorf("%d breaks only", breaks)
	}
	if err := m.Remove(unit); err != nil {
		t.Error(err)
	}
}

var errBreak = errors.New("the connection broke off")

// beginning is the cursor behind the first thing that was ever said of a unit:
// systemd's word that it starts it.
func beginning(t *testing.T, unit cluster.UnitName) string {
	out, err := exec.Command("journalctl", "--unit="+string(unit), "--output=json").Output()
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	var first struct {
		Cursor string `json:"__CURSOR"`
	}
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return first.Cursor
}

// TestFollowedJournalOfASilentUnit begins with its first word.
func TestFollowedJournalOfASilentUnit(t *testing.T) {
	m, _ := open(t)
	follow(t, m)
	const unit = "contra-silent.service"
	if err := m.Write(unit, "[Service]\nType=oneshot\nExecStart=/bin/echo at last\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	said, ended := "", make(chan error, 1)
	go func() {
		ended <- m.FollowJournal(ctx, unit, systemd.Options{Lines: 0, Output: "cat"}, func(text []byte, _ string) error {
			if said += string(text); strings.Contains(said, "at last\n") {
				return errBreak
			}
			return nil
		})
	}()
	<-enqueue(t, m, converge.StartJob, unit)
	if err := <-ended; !errors.Is(err, errBreak) {
		t.Errorf("%v after %q", err, said)
	}
	for _, bad := range []systemd.Options{{Lines: -1}, {Output: "xml"}} {
		if err := m.FollowJournal(ctx, unit, bad, nil); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := m.FollowJournal(ctx, unit, systemd.Options{After: "nonsense"}, nil); err == nil || !strings.Contains(err.Error(), "cursor") {
		t.Errorf("a cursor that is none: %v", err)
	}
	if err := m.Remove(unit); err != nil {
		t.Error(err)
	}
}

func TestStatusAndJournal(t *testing.T) {
	m, _ := open(t)
	follow(t, m)
	const unit = "contra-talks.service"
	if err := m.Write(unit, "[Service]\nType=oneshot\nExecStart=/bin/echo argosy speaks\n"); err != nil {
		t.Fatal(err)
	}
	<-enqueue(t, m, converge.StartJob, unit)
	text, code, err := m.Status(t.Context(), unit)
	if err != nil || code != 3 || !strings.Contains(text, unit) {
		t.Errorf("status %d %v: %s", code, err, text)
	}
	if _, code, err := m.Status(t.Context(), "contra-unknown.service"); err != nil || code != 4 {
		t.Errorf("status of an unknown unit: %d %v, expected 4", code, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	found := &until{text: "argosy speaks", reached: cancel}
	if err := m.Journal(ctx, unit, systemd.Options{Lines: 10, Follow: true, Output: "cat"}, found); err != context.Canceled {
		t.Errorf("the journal ended with %v before it said %q: %q", err, found.text, found.said)
	}
	if err := m.Remove(unit); err != nil {
		t.Error(err)
	}
}

// until is a writer that tells when a text has come.
type until struct {
	said    []byte
	text    string
	reached func()
}

func (u *until) Write(p []byte) (int, error) {
	u.said = append(u.said, p...)
	if strings.Contains(string(u.said), u.text) {
		u.reached()
	}
	return len(p), nil
}

// TestJobTypeTellsStopFromRestart has services whose stop asks, by this very
// binary, which job they are being ended by.
func TestJobTypeTellsStopFromRestart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m, folders := open(t)
	follow(t, m)
	said := filepath.Join(filepath.Dir(folders.Units), "said")
	const unit = "contra-asks.service"
	text := fmt.Sprintf("[Service]\nEnvironment=CONTRACT_SAY=%s\nExecStart=/bin/sleep 3600\nExecStop=%s -test.run=^TestSayJob$\n", said, self)
	if err := m.Write(unit, text); err != nil {
		t.Fatal(err)
	}
	<-enqueue(t, m, converge.StartJob, unit)
	for _, kind := range []converge.Job{converge.RestartJob, converge.StopJob} {
		if outcome := <-enqueue(t, m, kind, unit); outcome.Result != "done" {
			t.Fatalf("%s ended as %+v", kind, outcome)
		}
		if got, err := os.ReadFile(said); err != nil || string(got) != string(kind) {
			t.Errorf("during a %s job the service said %q, %v", kind, got, err)
		}
	}
	if err := m.Remove(unit); err != nil {
		t.Error(err)
	}
}

// TestSayJob is the service's part of the test above; by itself it has nothing to say.
func TestSayJob(t *testing.T) {
	path := os.Getenv("CONTRACT_SAY")
	if path == "" {
		return
	}
	m, _ := open(t)
	kind, err := m.JobType(t.Context(), os.Getpid())
	if err != nil {
		kind = err.Error()
	}
	if err := os.WriteFile(path, []byte(kind), 0o644); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkStart starts units that are written and not yet known to systemd,
// 16 at a time, until the last is active.
func BenchmarkStart(b *testing.B) {
	for _, count := range []int{1, 10, 100, 500} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			for round := range b.N {
				benchmarkStart(b, count, round)
			}
		})
	}
}

func benchmarkStart(b *testing.B, count, round int) {
	b.StopTimer()
	m, _ := open(b)
	follow(b, m)
	var units []cluster.UnitName
	for i := range count {
		units = append(units, cluster.UnitName(fmt.Sprintf("bench-%d@%d.service", round, i)))
	}
	defer stopAll(b, m, units)
	b.StartTimer()
	for _, unit := range units {
		if err := m.Write(unit, "[Service]\nExecStart=/bin/sleep 3600\n"); err != nil {
			b.Fatal(err)
		}
	}
	each(units, func(unit cluster.UnitName) { do(b, m, converge.StartJob, unit) })
	b.StopTimer()
}

func stopAll(b *testing.B, m real, units []cluster.UnitName) {
	each(units, func(unit cluster.UnitName) {
		do(b, m, converge.StopJob, unit)
		if err := m.Remove(unit); err != nil {
			b.Error(err)
		}
	})
}

// do has a job done; unlike enqueue it may be called beside the benchmark.
func do(b *testing.B, m real, kind converge.Job, unit cluster.UnitName) {
	ended := make(chan converge.Outcome, 1)
	if err := m.Enqueue(b.Context(), kind, unit, func(o converge.Outcome) { ended <- o }); err != nil {
		b.Error(err)
		return
	}
	if outcome := <-ended; outcome.Result != "done" {
		b.Errorf("%s %s ended as %+v", kind, unit, outcome)
	}
}

// each does something for every unit, 16 at a time.
func each(units []cluster.UnitName, act func(cluster.UnitName)) {
	todo := make(chan cluster.UnitName)
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for unit := range todo {
				act(unit)
			}
		})
	}
	for _, unit := range units {
		todo <- unit
	}
	close(todo)
	workers.Wait()
}
