package local

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// progress shows one line a step, with the time that it took. On a terminal the
// step under way is shown too, with its last detail.
type progress struct {
	out   *os.File
	live  bool
	width int
	step  string
	begun time.Time
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out}
	if size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err == nil && os.Getenv("TERM") != "dumb" {
		p.live, p.width = true, int(size.Col)
	}
	return p
}

// Step ends the step before and begins the next.
func (p *progress) Step(name string) {
	p.finish("ok")
	p.step, p.begun = name, time.Now()
	p.Detail("")
}

// Detail shows what the step is at.
func (p *progress) Detail(line string) {
	if !p.live || p.step == "" {
		return
	}
	text := fmt.Sprintf(" ... %-40s %s", p.step, line)
	if len(text) >= p.width && p.width > 1 {
		text = text[:p.width-1]
	}
	fmt.Fprint(p.out, "\r\x1b[K"+text)
}

// Note leaves a line behind.
func (p *progress) Note(line string) {
	p.clear()
	fmt.Fprintln(p.out, "note:", line)
	p.Detail("")
}

// end ends the last step; a step that err came in has not gone well.
func (p *progress) end(err error) {
	if err != nil {
		p.finish("FAILED")
	} else {
		p.finish("ok")
	}
}

func (p *progress) finish(how string) {
	if p.step == "" {
		return
	}
	p.clear()
	fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf("%-6s %-40s %5.1f s", how, p.step, time.Since(p.begun).Seconds()), " "))
	p.step = ""
}

func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
