package unitfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// byteOrderMark may begin a file; systemd skips it.
const byteOrderMark = "\ufeff"

// maxFaults keeps the message about a file that is no unit file at all readable.
const maxFaults = 20

// Parse reads a unit file. The name is used in messages only. All faults are
// reported at once, as "NAME:LINE: what is wrong; expected what".
func Parse(name, text string) (*File, error) {
	r := reader{file: &File{parts: []part{{name: name}}}}
	switch {
	case len(text) > MaxTextBytes:
		r.refuse(1, fmt.Sprintf("the file has %d bytes", len(text)), fmt.Sprintf("at most %d", MaxTextBytes))
	case !utf8.ValidString(text):
		r.refuse(1+strings.Count(text[:firstInvalid(text)], "\n"), "a byte that is not UTF-8", "a text in UTF-8")
	case strings.IndexByte(text, 0) >= 0:
		r.refuse(1+strings.Count(text[:strings.IndexByte(text, 0)], "\n"), "a NUL character", "a text")
	default:
		r.read(strings.TrimPrefix(text, byteOrderMark))
	}
	if err := r.faults.err(); err != nil {
		return nil, err
	}
	return r.file, nil
}

func firstInvalid(text string) int {
	for i, c := range text {
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return len(text)
}

// reader joins lines and keeps the section that is open.
type reader struct {
	file    *File
	section string
	opened  bool // a section header was there, even a malformed one
	faults  faults
}

func (r *reader) refuse(line int, wrong, expected string) {
	r.faults.add(r.file.fault(line, wrong, expected))
}

// read walks the lines. Comments are skipped inside continuations too; an empty
// line ends a continuation.
func (r *reader) read(text string) {
	var joined strings.Builder
	start, number := 0, 0 // start is the first line of what is being joined, 0 when nothing is
	for line := range eachLine(text) {
		number++
		line = strings.TrimLeft(line, " \t")
		if line != "" && (line[0] == '#' || line[0] == ';') {
			continue
		}
		if start == 0 {
			start = number
		}
		if body, more := continues(line); more {
			joined.WriteString(body)
			joined.WriteByte(' ')
			continue
		}
		joined.WriteString(line)
		r.line(start, strings.TrimSpace(joined.String()))
		joined.Reset()
		start = 0
	}
	if start != 0 {
		r.line(start, strings.TrimSpace(joined.String()))
	}
	r.file.parts[0].lines = number
}

// eachLine yields lines without their end: LF, CR LF or, as systemd reads, CR.
func eachLine(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for text != "" {
			end := strings.IndexAny(text, "\r\n")
			if end < 0 {
				yield(text)
				return
			}
			line := text[:end]
			if strings.HasPrefix(text[end:], "\r\n") {
				end++
			}
			text = text[end+1:]
			if !yield(line) {
				return
			}
		}
	}
}

// continues says whether a line ends in a backslash that is not itself escaped,
// and returns what stands before it.
func continues(line string) (body string, more bool) {
	body = strings.TrimRight(line, `\`)
	if (len(line)-len(body))%2 == 0 {
		return line, false
	}
	return line[:len(line)-1], true
}

// line takes in one joined line: empty, a section header or an assignment.
func (r *reader) line(number int, text string) {
	switch {
	case text == "":
	case text[0] == '[':
		r.header(number, text)
	case !r.opened:
		r.refuse(number, fmt.Sprintf("%s stands in no section", quoted(text)), "a header such as [Unit] before it")
	default:
		name, value, found := strings.Cut(text, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !found:
			r.refuse(number, fmt.Sprintf("%s is no assignment", quoted(text)), "NAME=VALUE, a [Section] or a # comment")
		case name == "":
			r.refuse(number, fmt.Sprintf("%s has no name before the =", quoted(text)), "NAME=VALUE")
		default:
			r.file.options = append(r.file.options, Option{Section: r.section, Name: name, Value: value, Line: number})
		}
	}
}

// header opens a section. What follows a malformed one is not blamed as well.
func (r *reader) header(number int, text string) {
	r.opened = true
	inner, closed := strings.CutSuffix(text[1:], "]")
	switch {
	case !closed:
		r.refuse(number, fmt.Sprintf("the section header %s is not closed", quoted(text)), "[NAME] alone on its line")
	case inner == "" || strings.ContainsFunc(inner, unsafeInHeader):
		r.refuse(number, fmt.Sprintf("%s is no section header", quoted(text)), "[NAME] of letters, digits and dashes")
	}
	r.section = inner
}

// unsafeInHeader is what systemd's string_is_safe refuses, and brackets.
func unsafeInHeader(c rune) bool {
	return unicode.IsControl(c) || strings.ContainsRune(`"'\[]`, c)
}

// quoted shows a piece of a file in a message, shortened to what a person reads.
func quoted(text string) string {
	const most = 60
	if len(text) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "..."
	}
	return fmt.Sprintf("%q", text)
}

// faults collects what is wrong with one file.
type faults struct {
	list []error
	more int
}

func (f *faults) add(err error) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, err)
}

func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.list[:len(f.list):len(f.list)], fmt.Errorf("and %d more faults", f.more))...)
	}
	return errors.Join(f.list...)
}
