package fleetv1

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"argosy/core/api"
	"argosy/core/unitfile"
)

// Text is the unit file of the options, to the byte as fleet's library wrote it,
// so that its hash is the one that fleet's clients compute: sections in the order
// in which each is first named, an empty line between two of them.
func Text(options []Option) string {
	var sections []string
	bodies := map[string]*strings.Builder{}
	for _, o := range options {
		body, known := bodies[o.Section]
		if !known {
			body = &strings.Builder{}
			bodies[o.Section] = body
			sections = append(sections, o.Section)
		}
		body.WriteString(o.Name + "=" + o.Value + "\n")
	}
	var text strings.Builder
	for i, section := range sections {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString("[" + section + "]\n" + bodies[section].String())
	}
	return text.String()
}

// Options reads a unit file as fleet's library did: comments are lost, and a
// value that goes on over several lines keeps its backslashes and line breaks,
// so that Text gives such a value back as it was.
func Options(text string) ([]Option, error) {
	file, err := unitfile.Parse("unit file", text)
	if err != nil {
		return nil, err
	}
	lines := splitLines(text)
	var options []Option
	for _, o := range file.Options() {
		option := Option{Section: o.Section, Name: o.Name, Value: o.Value}
		if continues(lines[o.Line-1]) {
			if folded := (Option{o.Name, o.Section, foldedValue(lines[o.Line-1:])}); means(folded, o.Value) {
				option = folded
			}
		}
		options = append(options, option)
	}
	return options, nil
}

// OptionsOf reads a unit with its drop-ins, of which fleet knew nothing: all
// options stand in the order in which systemd reads them, so that what a client
// reads, changes and sends back as one file means the same.
func OptionsOf(unit unitfile.Bundle) ([]Option, error) {
	options, err := Options(unit.Text)
	for _, d := range unit.DropIns {
		more, fault := Options(d.Text)
		options, err = append(options, more...), errors.Join(err, fault)
	}
	return options, err
}

// Check says what is wrong with options that do not make a unit file which reads
// back as these options. fleet stored such files.
func Check(options []Option) error {
	for i, o := range options {
		if readsBack(o) {
			continue
		}
		return api.Invalid(
			fmt.Sprintf("option %d, %s= in [%s]: it does not read back as one assignment", i+1, quoted(o.Name), quoted(o.Section)),
			`expected {"section": "Service", "name": "ExecStart", "value": "/bin/true"}; a line break in a value needs a backslash before it`)
	}
	return nil
}

// readsBack says whether an option is read from its file as it was given. No
// other option is looked at: none changes how this one is read if each leaves
// the one behind it alone.
func readsBack(o Option) bool {
	back, err := Options(Text([]Option{o, {Section: o.Section, Name: sentinel}}))
	return err == nil && len(back) == 2 && back[1] == Option{Section: o.Section, Name: sentinel} &&
		back[0].Section == o.Section && back[0].Name == strings.TrimSpace(o.Name) &&
		strings.TrimSpace(back[0].Value) == strings.TrimSpace(o.Value)
}

// sentinel is the name of an option that stands behind another to see whether
// that one swallows it.
const sentinel = "Behind"

// Same says whether a stored unit and a unit file are the same to fleet, which
// compared their options.
func Same(stored unitfile.Bundle, text string) bool {
	ours, err := OptionsOf(stored)
	if err != nil {
		return false
	}
	theirs, err := Options(text)
	return err == nil && Text(ours) == Text(theirs)
}

// means says whether systemd reads o as one assignment of the value, and what
// comes behind it as something else.
func means(o Option, value string) bool {
	file, err := unitfile.Parse("option", Text([]Option{o, {Section: o.Section, Name: sentinel}}))
	if err != nil {
		return false
	}
	read := file.Options()
	return len(read) == 2 && read[0].Name == o.Name && read[0].Value == value && read[1].Name == sentinel
}

// foldedValue is the value of an assignment that begins on the first line and
// goes on over several, with its line breaks.
func foldedValue(lines []string) string {
	end := slices.IndexFunc(lines, func(line string) bool { return !isComment(line) && !continues(line) })
	if end < 0 {
		end = len(lines) - 1
	}
	_, value, _ := strings.Cut(strings.Join(lines[:end+1], "\n"), "=")
	value = strings.TrimSpace(value)
	if continues(value) {
		return value + "\n" // an empty line ended it: without one it would take in what comes next
	}
	return value
}

func isComment(line string) bool {
	line = strings.TrimLeft(line, " \t")
	return line != "" && (line[0] == '#' || line[0] == ';')
}

// continues says whether a line ends in a backslash that is not itself escaped.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// splitLines splits as unitfile counts lines: at LF, CR LF and CR.
func splitLines(text string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
}

// quoted shows what a client sent, shortened to what a person reads.
func quoted(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "..."
	}
	q := fmt.Sprintf("%q", text)
	return q[1 : len(q)-1]
}
