package fleetconf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileBytes is far above any configuration that people write.
const maxFileBytes = 1 << 20

// readFile reads the file that was named, or the one at DefaultPath if it is
// there.
func readFile(path string) ([]given, []string, error) {
	mayMiss := path == ""
	if mayMiss {
		path = DefaultPath
	}
	info, err := os.Stat(path)
	switch {
	case mayMiss && errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("read configuration: %s is not a file", path)
	case info.Size() > maxFileBytes:
		return nil, nil, fmt.Errorf("read configuration: %s is larger than %d bytes", path, maxFileBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	return parse(path, string(text))
}

// parse reads fleet's form of INI: name=value lines, values bare or in quotes;
// a line that begins with # or ; is a comment.
func parse(path, text string) (all []given, notes []string, err error) {
	var faults []error
	at := map[string]int{} // the line of an option's last value, as an index into all
	number := 0
	for line := range strings.Lines(text) {
		number++
		where := fmt.Sprintf("%s:%d", path, number)
		name, value, err := assignment(line)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", where, err))
			continue
		case name == "":
			continue
		}
		g := given{name, value, where}
		if before, twice := at[name]; twice {
			notes = append(notes, fmt.Sprintf("%s: %s is set again; %s counts no more", where, name, all[before].origin))
			all[before] = g
			continue
		}
		at[name] = len(all)
		all = append(all, g)
	}
	return all, notes, errors.Join(faults...)
}

// assignment reads one line; name is empty where it sets nothing.
func assignment(line string) (name, value string, err error) {
	line = strings.TrimSpace(line)
	switch {
	case !utf8.ValidString(line):
		return "", "", errors.New("the line is not UTF-8")
	case line == "" || line[0] == '#' || line[0] == ';':
		return "", "", nil
	case line[0] == '[':
		return "", "", fmt.Errorf("%s: fleet.conf has no sections: remove the line", line)
	case strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return "", "", errors.New("the line holds a character that cannot be seen")
	}
	name, value, found := strings.Cut(line, "=")
	name = strings.TrimSpace(name)
	if !found || name == "" {
		return "", "", fmt.Errorf("%q: expected name=value", line)
	}
	value, err = unquote(strings.TrimSpace(value))
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	return name, value, nil
}

// unquote takes the quotes off that stand around a whole value.
func unquote(v string) (string, error) {
	if v == "" || v[0] != '"' && v[0] != '\'' {
		return v, nil
	}
	if len(v) == 1 || v[len(v)-1] != v[0] {
		return "", fmt.Errorf("%s: the quote does not end", v)
	}
	return v[1 : len(v)-1], nil
}
