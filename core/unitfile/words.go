package unitfile

import (
	"errors"
	"fmt"
	"strings"

	"argosy/core/cluster"
)

// knownSpecifiers are those of systemd.unit(5) that have a meaning before a
// machine is chosen.
const knownSpecifiers = "%n, %N, %p, %i or %% (no other has a meaning before the machine is chosen)"

// expand puts the unit's name in for the specifiers. A % that no letter follows
// stands for itself, as it did in fleet.
func expand(word string, unit cluster.UnitName) (string, error) {
	if !strings.Contains(word, "%") {
		return word, nil
	}
	var out strings.Builder
	for rest := word; rest != ""; {
		before, after, found := strings.Cut(rest, "%")
		out.WriteString(before)
		if !found {
			break
		}
		if after == "" || !isLetter(after[0]) && after[0] != '%' {
			out.WriteByte('%')
			rest = after
			continue
		}
		switch after[0] {
		case '%':
			out.WriteByte('%')
		case 'n':
			out.WriteString(string(unit))
		case 'N':
			out.WriteString(strings.TrimSuffix(string(unit), unit.Suffix()))
		case 'p':
			out.WriteString(unit.Prefix())
		case 'i':
			out.WriteString(unit.Instance())
		default:
			return "", fmt.Errorf("unknown specifier %q", "%"+after[:1])
		}
		rest = after[1:]
	}
	return out.String(), nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

var errOpenQuote = errors.New("a quote is not closed")

// splitWords splits a value at white space outside of quotes; the quotes
// themselves go. A quote inside a word is part of it, as in systemd.
func splitWords(value string) ([]string, error) {
	var words []string
	for {
		value = strings.TrimLeft(value, " \t")
		if value == "" {
			return words, nil
		}
		if quote := value[0]; quote == '"' || quote == '\'' {
			end := strings.IndexByte(value[1:], quote)
			if end < 0 {
				return nil, errOpenQuote
			}
			words = append(words, value[1:1+end])
			value = value[end+2:]
			continue
		}
		end := strings.IndexAny(value, " \t")
		if end < 0 {
			end = len(value)
		}
		words = append(words, value[:end])
		value = value[end:]
	}
}
