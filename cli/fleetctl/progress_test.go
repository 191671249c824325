package fleetctl

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"argosy/cli"
)

// columned is a terminal of so many columns: what is written to screen is seen
// by who holds the keyboard.
func columned(t *testing.T, columns uint16) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, screen = terminal(t)
	if err := unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return keyboard, screen
}

func TestProgressOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	w := newWorld(t)
	files(t, "slow.service")
	eye, tty := columned(t, 40)
	cmd := New()
	cmd.SetOut(io.Discard)
	cmd.SetErr(tty)
	cmd.SetArgs([]string{"--endpoint", "unix://" + w.socket, "start", "slow", "--timeout=1s"})
	if err := cmd.ExecuteContext(t.Context()); cli.Code(err) != cli.ExitTimeout {
		t.Errorf("%v", err)
	}
	fmt.Fprintln(tty, "the end")
	var said strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(said.String(), "the end"); {
		if _, err := eye.Read(one); err != nil {
			t.Fatalf("%v after %q", err, said.String())
		}
		said.Write(one)
	}
	for _, part := range []string{
		eraseLine + "0 of 1: slow.service: on core-01: acti…",
		eraseLine + "Unit slow.service: not there in time: on core-01: activating (start-pre); it goes on\r\nthe end",
	} {
		if !strings.Contains(said.String(), part) {
			t.Errorf("said %q, want %q in it", said.String(), part)
		}
	}
}

func TestNoProgressElsewhere(t *testing.T) {
	_, tty := columned(t, 40)
	plain := must(os.Create(t.TempDir() + "/plain"))(t)
	defer plain.Close()
	for term, out := range map[string]io.Writer{"dumb": tty, "": tty, "xterm": plain, "vt100": io.Discard} {
		t.Setenv("TERM", term)
		p := newProgress(out)
		if p.show("nobody sees it"); p.shown {
			t.Errorf("TERM=%s: it shows itself on %T", term, out)
		}
	}
}
