package host

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestMembersAreRemembered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "members")
	if got, err := ReadMembers(file); len(got) != 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, want := range [][]string{{"https://10.0.0.1:2379", "https://10.0.0.2:2379"}, {"https://10.0.0.3:2379"}} {
		if err := WriteMembers(file, want); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadMembers(file); !slices.Equal(got, want) || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if got := WithMembers([]string{"b", "a"}, []string{"a", "c"}); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%q", got)
	}
	if err := WriteMembers(filepath.Join(file, "x"), nil); err == nil {
		t.Error("it was written below a file")
	}
}
