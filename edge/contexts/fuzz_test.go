package contexts

import (
	"os"
	"path/filepath"
	"testing"
)

// The file of members is a user's own to edit.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{"", "core-01:49153\n", "# none\n\n", "[::1]:1 # here\r\n10.0.0.1:65536", "a:1/b", "\x00:1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "members")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		members, err := readMembers(file)
		if err == nil && (len(members) == 0 || len(members) > mostMembers) {
			t.Errorf("%q: %d members", text, len(members))
		}
		for _, member := range members {
			if err := CheckMember(member); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
