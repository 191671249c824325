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

// terminal is a terminal of so many columns, see pts(4): what is written to it
// can be read here.
func terminal(t *testing.T, columns uint16) (screen, keyboard *os.File) {
	t.Helper()
	screen = must(os.OpenFile("/dev/ptmx", os.O_RDWR, 0))(t)
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number := must(unix.IoctlGetInt(fd, unix.TIOCGPTN))(t)
	keyboard = must(os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0))(t)
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return screen, keyboard
}

func TestProgressOnATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	w := newWorld(t)
	files(t, "slow.service")
	screen, tty := terminal(t, 40)
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
		if _, err := screen.Read(one); err != nil {
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
	_, tty := terminal(t, 40)
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
