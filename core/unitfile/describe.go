package unitfile

import (
	"strconv"
	"strings"

	"argosy/core/cluster"
)

// Describe puts a unit's name in for the specifiers of a text that people read,
// such as Description=. Those that hang on the machine stay as they are, and in a
// template those of the instance. See systemd.unit(5).
func Describe(text string, unit cluster.UnitName) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		value, known := "", false
		if after != "" {
			value, known = describeOne(after[0], unit)
		}
		if !known {
			out.WriteByte('%')
			text = after
			continue
		}
		out.WriteString(value)
		text = after[1:]
	}
}

func describeOne(letter byte, unit cluster.UnitName) (value string, known bool) {
	final := unit.Prefix()[strings.LastIndexByte(unit.Prefix(), '-')+1:]
	switch letter {
	case '%':
		return "%", true
	case 'n':
		return string(unit), true
	case 'N':
		return strings.TrimSuffix(string(unit), unit.Suffix()), true
	case 'p':
		return unit.Prefix(), true
	case 'P':
		return unescape(unit.Prefix()), true
	case 'j':
		return final, true
	case 'J':
		return unescape(final), true
	case 'i':
		return unit.Instance(), !unit.IsTemplate()
	case 'I':
		return unescape(unit.Instance()), !unit.IsTemplate()
	}
	return "", false
}

// unescape undoes systemd-escape(1): "-" was a slash, \x2d the byte 0x2d.
func unescape(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if strings.HasPrefix(name[i:], `\x`) && i+4 <= len(name) {
			if c, err := strconv.ParseUint(name[i+2:i+4], 16, 8); err == nil {
				out.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		if name[i] == '-' {
			out.WriteByte('/')
		} else {
			out.WriteByte(name[i])
		}
	}
	return out.String()
}
