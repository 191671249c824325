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

// File is a unit file that could be read.
type File struct {
	name    string // for messages: FILE:LINE: ...
	options []Option
}

// Option is one assignment. Continuation lines are joined as systemd joins them:
// the backslash becomes a space, the next line loses its indentation.
type Option struct {
	Section, Name, Value string
	Line                 int // where the assignment begins, from 1
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
	only := &File{name: strings.Clone(f.name)}
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
	return fmt.Errorf("%s:%d: %s; expected %s", f.name, line, wrong, expected)
}
