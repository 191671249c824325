package access

import (
	"strings"
	"testing"
)

// A subject is part of a key in the store.
func FuzzParseSubject(f *testing.F) {
	for _, text := range []string{"", "machine/", "person/", "person/alice", "machine/" + strings.Repeat("0a", 16), "person/../machine", "machine/person/a", "root/a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		subject, err := ParseSubject(text)
		if err == nil && (subject.String() != text || strings.Count(text, "/") != 1 || strings.ContainsAny(text, " \n\x00")) {
			t.Errorf("%q is read as %v", text, subject)
		}
	})
}
