package fleetctl

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// progress is one line on a terminal that tells what is being waited for, until
// there is something to say that stays. Off a terminal it is silent.
type progress struct {
	out     io.Writer
	columns int // of the terminal; 0 for none
	shown   bool
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	file, is := out.(*os.File)
	if term := os.Getenv("TERM"); !is || term == "" || term == "dumb" {
		return p
	}
	if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil {
		p.columns = int(size.Col)
	}
	return p
}

// eraseLine goes to the line's beginning and erases it, see console_codes(4).
const eraseLine = "\r\x1b[K"

// show puts a line in the stead of the last one, cut to fit.
func (p *progress) show(format string, args ...any) {
	if p.columns < 2 {
		return
	}
	line := []rune(fmt.Sprintf(format, args...))
	if len(line) >= p.columns {
		line = append(line[:p.columns-2], '…')
	}
	fmt.Fprint(p.out, eraseLine+string(line))
	p.shown = true
}

// clear makes place for what stays.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, eraseLine)
		p.shown = false
	}
}
