// Package unitfile reads systemd unit files as systemd.syntax(7) describes them
// and says what fleet's [X-Fleet] section asks of a cluster. It never rewrites a
// text and knows no more of systemd's own options than it needs for a warning.
//
// It is stricter than systemd where systemd logs and ignores a line (no "=", no
// section): nothing malformed is stored (law 8), and the person who wrote the
// line is there to be told.
package unitfile

import (
	"fmt"
	"slices"
	"strings"
)

// MaxTextBytes limits a whole file and with it a single line, whose limit in
// systemd (LONG_LINE_MAX) is the same.
const MaxTextBytes = 1 << 20

// File is a unit file that could be read, alone or with its drop-ins.
type File struct {
	parts   []part
	options []Option
}

// part is one of the files that a File was read from. Lines are counted through
// all of them.
type part struct {
	name   string // for messages: FILE:LINE: ...
	before int    // lines in the parts before it
	lines  int
}

// Option is one assignment. Continuation lines are joined as systemd joins them:
// the backslash becomes a space, the next line loses its indentation.
type Option struct {
	Section, Name, Value string
	Line                 int // where the assignment begins, from 1; drop-ins count on
}

// Options returns every assignment in the file's order. The caller may keep it,
// not change it.
func (f *File) Options() []Option { return slices.Clip(f.options) }

// Values returns what is assigned to section and name, in the file's order. An
// empty assignment takes back those before it, as in systemd's lists.
func (f *File) Values(section, name string) []Option {
	var values []Option
	for _, o := range f.options {
		switch {
		case o.Section != section || o.Name != name:
		case o.Value == "":
			values = nil
		default:
			values = append(values, o)
		}
	}
	return values
}

// Section returns a file of one section alone. It shares no memory with the
// text, so that a million small sections do not keep a million texts.
func (f *File) Section(section string) *File {
	only := &File{parts: slices.Clone(f.parts)}
	for i := range only.parts {
		only.parts[i].name = strings.Clone(only.parts[i].name)
	}
	for _, o := range f.options {
		if o.Section == section {
			only.options = append(only.options, Option{
				Section: section, Name: strings.Clone(o.Name), Value: strings.Clone(o.Value), Line: o.Line,
			})
		}
	}
	return only
}

// fault is what is wrong with a line, in the form that editors jump to.
func (f *File) fault(line int, wrong, expected string) error {
	return fmt.Errorf("%s: %s; expected %s", f.place(line), wrong, expected)
}

// place is a line as FILE:LINE.
func (f *File) place(line int) string {
	at := len(f.parts) - 1
	for at > 0 && line <= f.parts[at].before {
		at--
	}
	return fmt.Sprintf("%s:%d", f.parts[at].name, line-f.parts[at].before)
}

// add puts a file behind what was read so far.
func (f *File) add(next *File) {
	before := 0
	if len(f.parts) > 0 {
		last := f.parts[len(f.parts)-1]
		before = last.before + last.lines
	}
	for _, p := range next.parts {
		p.before += before
		f.parts = append(f.parts, p)
	}
	for _, o := range next.options {
		o.Line += before
		f.options = append(f.options, o)
	}
}
