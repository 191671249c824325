package fleetctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"argosy/cli"
)

const globally = "\n[X-Fleet]\nGlobal=true\n"

// launched starts a unit of the world, made of text.
func (w *world) launched(name, text string) {
	w.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
	if got := w.fleetctl("start", name); got.code != 0 {
		w.Fatalf("start %s: %+v", name, got)
	}
}

func TestOnSeveralMachines(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.launched("agent.service", text+globally)
	w.launched("hello.service", text)
	for name, args := range map[string][]string{
		"status":  {"status", "agent", "hello"},
		"journal": {"journal", "agent", "-n", "2"},
	} {
		got := w.fleetctl(args...)
		if got.code != 0 || got.err != "" {
			t.Errorf("%v: %+v", args, got)
		}
		w.golden("several."+name, got.out)
	}
	w.want(w.fleetctl("status", "--machine", "core-02", "agent"), 0, "● agent.service\n", "")
	w.want(w.fleetctl("status", "--machine", "10.10.1.3", "agent"), 0, "● agent.service\n", "")
	w.want(w.fleetctl("journal", "--machine=c9de", "-n1", "agent"), 0, "agent.service says 1\n", "")
	w.want(w.fleetctl("journal", "--machine=core-9", "agent"), 3, "", "machine core-9: not found; ")
	w.want(w.fleetctl("status", "--machine=...", "agent"), 1, "", "3 machines have an id that begins so")
}

// TestAMachineThatDoesNotAnswer hides none of the others.
func TestAMachineThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	files(t)
	if err := os.WriteFile("fail-agent.service", []byte(text+globally), 0o644); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("start", "fail-agent"), 1, "Triggered global unit fail-agent.service start\n", "fail-agent.service says 10\n")
	w.eventually(func() error { // one machine's failure is the unit's: start did not wait for the others
		if got := w.fleetctl("list-units", "--no-legend"); strings.Count(got.out, "failed") != 2*len(worldIDs) {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	silent := w.machines[1]
	silent.API = ""
	if _, err := w.store.PutMachine(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	got := w.fleetctl("status", "fail-agent")
	if got.code != 3 || strings.Count(got.out, "× fail-agent") != 2 || !strings.Contains(got.err, "core-02 has not told where its API is") {
		t.Errorf("%+v", got)
	}
}

// live is a fleetctl that goes on until it is stopped.
type live struct {
	*world
	out, err chan string // lines
	stop     context.CancelFunc
	ended    chan error
}

func (w *world) live(args ...string) *live {
	ctx, cancel := context.WithCancel(w.Context())
	cmd := New()
	cmd.SetArgs(append([]string{"--endpoint", "unix://" + w.socket}, args...))
	l := &live{w, make(chan string, 100), make(chan string, 100), cancel, make(chan error, 1)}
	out, printed := io.Pipe()
	errs, told := io.Pipe()
	cmd.SetOut(printed)
	cmd.SetErr(told)
	go lines(out, l.out)
	go lines(errs, l.err)
	go func() {
		err := cmd.ExecuteContext(ctx)
		l.ended <- errors.Join(err, printed.Close(), told.Close())
	}()
	return l
}

func lines(from io.Reader, to chan<- string) {
	defer close(to)
	for in := bufio.NewScanner(from); in.Scan(); {
		to <- in.Text()
	}
}

// eventually waits until check passes, and fails with its last word.
func (w *world) eventually(check func() error) {
	w.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			w.Fatal(err)
		case <-again.C:
		}
	}
}

// patience bounds the wait for what must come.
const patience = 20 * time.Second

// next wants these lines, whatever their order.
func (l *live) next(from <-chan string, wanted ...string) {
	l.Helper()
	missing := map[string]bool{}
	for _, line := range wanted {
		missing[line] = true
	}
	for len(missing) > 0 {
		select {
		case line := <-from:
			if !missing[line] {
				l.Fatalf("said %q, want one of %v", line, missing)
			}
			delete(missing, line)
		case <-time.After(patience):
			l.Fatalf("silence instead of %v", missing)
		}
	}
}

// log has a machine's unit log a line, once its journal is being followed.
func (l *live) log(host, line string) {
	l.Helper()
	select {
	case l.says[host] <- line:
	case <-time.After(patience):
		l.Fatalf("nobody reads the journal on %s", host)
	}
}

func (l *live) end() {
	l.Helper()
	l.stop()
	if err := <-l.ended; err != nil {
		l.Errorf("ended with %v", err)
	}
	for line := range l.out {
		l.Errorf("said at its end: %q", line)
	}
}

func TestLogsFollowAUnit(t *testing.T) {
	for _, args := range [][]string{{"logs", "web", "-n1"}, {"journal", "-f", "web", "--lines=1"}} {
		w := newWorld(t)
		files(t)
		w.launched("web.service", text)
		l := w.live(args...)
		l.next(l.out, "web.service says 1")
		l.log("core-01", "one")
		l.next(l.out, "one")
		w.move("web.service", worldIDs[2])
		l.next(l.out, "core-03: web.service says 1")
		l.log("core-03", "two")
		l.next(l.out, "core-03: two")
		l.log("core-01", "last words")
		l.next(l.out, "core-01: last words")
		w.move("web.service", worldIDs[0])
		l.log("core-01", "back")
		l.next(l.out, "core-01: back")
		l.end()
	}
}

func TestLogsOfAGlobalUnit(t *testing.T) {
	for _, c := range []struct {
		args  string
		hosts []string // whose units say their machine's name
		want  []string
	}{
		{"logs agent -n0", []string{"core-02", "core-03"}, []string{"core-02: core-02", "core-03: core-03"}},
		{"logs agent -n0 --machine=core-02", []string{"core-02"}, []string{"core-02"}},
		{"logs agent -n0 -o json", []string{"core-03", "core-01"}, []string{"core-01", "core-03"}},
	} {
		w := newWorld(t)
		files(t)
		w.launched("agent.service", text+globally)
		l := w.live(strings.Fields(c.args)...)
		for _, host := range c.hosts {
			l.log(host, host)
		}
		l.next(l.out, c.want...)
		l.end()
	}
}

func TestLogsOfAUnitThatComesAndGoes(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.launched("web.service", text)
	if got := w.fleetctl("unload", "web"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	l := w.live("logs", "web", "-n1")
	l.next(l.err, "(unit web.service is on no machine: it is inactive; waiting for it)")
	w.launched("web.service", text)
	l.next(l.out, "web.service says 1")
	if got := w.fleetctl("destroy", "web"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	l.next(l.err, "(unit web.service has been destroyed; waiting whether it is made anew)")
	l.end()
	w.want(w.fleetctl("logs", "web"), 3, "", "unit web.service: not found")
}

// TestLogsAfterABreak: a journal that breaks off is taken up again behind what has
// been printed, also by a reader that found the unit gone and back meanwhile.
func TestLogsAfterABreak(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.launched("web.service", text)
	l := w.live("logs", "web", "-n1")
	l.next(l.out, "web.service says 1")
	l.log("core-01", "one")
	l.next(l.out, "one")
	l.log("core-01", breakOff)
	l.next(l.err, "(the journal on core-01 broke off: the stream ended: journal of web.service on core-01: the journal is full; opening it again)")
	l.log("core-01", "and on")
	l.next(l.out, "and on")
	w.move("web.service", worldIDs[2])
	l.next(l.out, "core-03: web.service says 1")
	l.log("core-01", breakOff)
	w.move("web.service", worldIDs[0])
	l.log("core-01", "back")
	l.next(l.out, "core-01: back")
	l.end()
	if got := fmt.Sprintf("%q", w.heard.take(&w.heard.after)); got != `["" "c1" "" "c2"]` {
		t.Errorf("journals were opened behind %s", got)
	}
}

func TestLinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	all := newInterleaved(&out, false)
	one := all.source("one")
	one.Write([]byte("a\nb"))
	two := all.source("two")
	two.Write([]byte("x\ny"))
	one.Write([]byte("c\n\nd\n"))
	two.end()
	two.end()
	if want := "a\none: bc\none: \none: d\ntwo: y\n"; !strings.Contains(out.String(), "two: x\n") || strings.Replace(out.String(), "two: x\n", "", 1) != want {
		t.Errorf("%q", out.String())
	}
}

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestLogsEndWithTheirReader(t *testing.T) {
	w := newWorld(t)
	files(t)
	w.launched("web.service", text)
	cmd := New()
	cmd.SetArgs([]string{"--endpoint", "unix://" + w.socket, "logs", "web"})
	cmd.SetOut(full{})
	if err := cmd.ExecuteContext(t.Context()); cli.Code(err) != cli.ExitError || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
}
