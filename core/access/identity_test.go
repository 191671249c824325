package access

import (
	"strings"
	"testing"
)

const id = "0123456789abcdef0123456789abcdef"

func TestParse(t *testing.T) {
	for _, c := range []struct {
		kind, name, generation string
		want                   string // "" where it is right, else in the error
	}{
		{"member", id, "", ""},
		{"worker", id, "7", ""},
		{"local", id, "", ""},
		{"person", "alice@example.org", "18446744073709551615", ""},
		{"root", id, "", `"root" is no kind of identity: expected member, worker, local or person`},
		{"", id, "", "is no kind of identity"},
		{"Member", id, "", "is no kind of identity"},
		{"worker", "core-01", "", "32 lower-case hexadecimal digits"},
		{"worker", id + "/", "", "32 lower-case hexadecimal digits"},
		{"person", "", "", "is no person's name"},
		{"person", "../alice", "", "is no person's name"},
		{"person", "Alice", "", "1 to 64 of a-z, 0-9"},
		{"person", "a/b", "", "is no person's name"},
		{"person", strings.Repeat("a", 65), "", "is no person's name"},
		{"person", "alice", "-1", `"-1" is no generation: expected a whole number`},
		{"person", "alice", "+1", "is no generation"},
		{"person", "alice", "01", "is no generation"},
		{"person", "alice", "18446744073709551616", "is no generation"},
	} {
		got, err := Parse(c.kind, c.name, c.generation)
		if c.want == "" {
			if err != nil || string(got.Kind) != c.kind || got.Name != c.name {
				t.Errorf("Parse(%q, %q, %q) = %v, %v", c.kind, c.name, c.generation, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || got != (Identity{}) {
			t.Errorf("Parse(%q, %q, %q) = %v, %v; want %q in the error", c.kind, c.name, c.generation, got, err, c.want)
		}
	}
}

func TestSubjectsAreRevokedTogether(t *testing.T) {
	for _, kind := range []Kind{Member, Worker, Local} {
		if got := (Identity{Kind: kind, Name: id}).Subject().String(); got != "machine/"+id {
			t.Errorf("%s: %s", kind, got)
		}
	}
	for _, text := range []string{"machine/" + id, "person/alice"} {
		s, err := ParseSubject(text)
		if err != nil || s.String() != text {
			t.Errorf("ParseSubject(%q) = %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "machine/", "person/", "machine/alice", "person/Alice", "worker/" + id, "person/a/b"} {
		if s, err := ParseSubject(text); err == nil {
			t.Errorf("ParseSubject(%q) = %v, want an error", text, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("member", id, "")
	f.Add("person", "alice", "3")
	f.Fuzz(func(t *testing.T, kind, name, generation string) {
		who, err := Parse(kind, name, generation)
		if err != nil {
			return
		}
		subject, err := ParseSubject(who.Subject().String())
		if err != nil || subject != who.Subject() {
			t.Errorf("%v: its subject is read back as %v, %v", who, subject, err)
		}
	})
}
