package sealing

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/core/cluster"
)

func created(t *testing.T) File {
	t.Helper()
	f := File(filepath.Join(t.TempDir(), "pki", "secrets.key"))
	if err := f.Create(); err != nil {
		t.Fatal(err)
	}
	return f
}

func sealed(t *testing.T, f File, value string) cluster.Sealed {
	t.Helper()
	s, err := f.Seal("", "db", 3, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealAndOpen(t *testing.T) {
	f := created(t)
	if err := f.Create(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second key: %v", err)
	}
	if info, err := os.Stat(string(f)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, value := range []string{"", "hunter2", strings.Repeat("\x00", cluster.MaxSecretBytes)} {
		s := sealed(t, f, value)
		if value != "" && bytes.Contains(s.Box, []byte(value)) {
			t.Error("the value stands in its box")
		}
		if got, err := f.Open("db", 3, s); err != nil || string(got) != value {
			t.Errorf("opened %q, %v", got, err)
		}
	}
	if again := sealed(t, f, "hunter2"); bytes.Equal(again.Box, sealed(t, f, "hunter2").Box) {
		t.Error("the same value was sealed the same")
	}
}

// TestOpenRefuses: a box is good for its own name, version and key, and unchanged.
func TestOpenRefuses(t *testing.T) {
	f := created(t)
	good := sealed(t, f, "hunter2")
	with := func(change func(*cluster.Sealed)) cluster.Sealed {
		s := cluster.Sealed{Key: good.Key, Box: bytes.Clone(good.Box)}
		change(&s)
		return s
	}
	const changed = "open version 3 of the secret db: what is stored was changed"
	for _, test := range []struct {
		name    cluster.SecretName
		version int64
		sealed  cluster.Sealed
		want    string
	}{
		{"tls", 3, good, "open version 3 of the secret tls: what is stored was changed, or sealed for another name or version"},
		{"db", 2, good, "open version 2 of the secret db: what is stored was changed, or sealed for another name or version"},
		{"db", 3, with(func(s *cluster.Sealed) { s.Box[0] ^= 1 }), changed},
		{"db", 3, with(func(s *cluster.Sealed) { s.Box[len(s.Box)-1] ^= 1 }), changed},
		{"db", 3, with(func(s *cluster.Sealed) { s.Box = s.Box[:20] }), changed},
		{"db", 3, with(func(s *cluster.Sealed) { s.Box = nil }), changed},
		{"db", 3, with(func(s *cluster.Sealed) { s.Key = "k9" }), `it was sealed with the key "k9", which is not in ` + string(f)},
	} {
		if value, err := f.Open(test.name, test.version, test.sealed); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %d: %q, %v, expected %q", test.name, test.version, value, err, test.want)
		}
	}
}

// TestReplaceAKey: a new key first seals, the earlier one opens as long as it is there.
func TestReplaceAKey(t *testing.T) {
	f := created(t)
	old := sealed(t, f, "hunter2")
	earlier, err := os.ReadFile(string(f))
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, NewKey()+string(earlier))
	if s := sealed(t, f, "hunter3"); s.Key == old.Key {
		t.Error("the earlier key still seals")
	}
	if got, err := f.Open("db", 3, old); err != nil || string(got) != "hunter2" {
		t.Errorf("%q, %v", got, err)
	}
	write(t, f, NewKey())
	if _, err := f.Open("db", 3, old); err == nil || !strings.Contains(err.Error(), "which is not in") {
		t.Errorf("without its key: %v", err)
	}
}

func write(t *testing.T, f File, text string) {
	t.Helper()
	if err := os.WriteFile(string(f), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBadKeyFiles(t *testing.T) {
	f := created(t)
	for text, want := range map[string]string{
		"":                          string(f) + ": there is no key in it",
		"# nothing\n\n":             string(f) + ": there is no key in it",
		"\nk1\n":                    string(f) + ":2: expected the id of a key and the key in base64",
		"k1 c2hvcnQ=\n":             string(f) + `:1: the key "k1" is not 32 bytes in base64`,
		"k1 !\n":                    string(f) + `:1: the key "k1" is not 32 bytes in base64`,
		strings.Repeat("#", 70<<10): string(f) + " has 71680 bytes: expected at most 65536",
	} {
		write(t, f, text)
		_, err := f.Seal("", "db", 1, nil)
		if err == nil || err.Error() != "seal the secret db: "+want {
			t.Errorf("%.20q: %v, expected %s", text, err, want)
		}
	}
	twice := NewKey()
	write(t, f, twice+twice)
	if _, err := f.Seal("", "db", 1, nil); err == nil || !strings.HasSuffix(err.Error(), "stands there twice") {
		t.Error(err)
	}
	many := ""
	for range 17 {
		many += NewKey()
	}
	write(t, f, many)
	if _, err := f.Seal("", "db", 1, nil); err == nil || !strings.HasSuffix(err.Error(), ": there are 17 keys in it: expected at most 16") {
		t.Error(err)
	}
	write(t, f, NewKey())
	if err := os.Chmod(string(f), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seal("", "db", 1, nil); err == nil || !strings.Contains(err.Error(), "its mode 0640 lets others read it: chmod 600 ") {
		t.Error(err)
	}
	if _, err := File(filepath.Join(t.TempDir(), "none")).Seal("", "db", 1, nil); err == nil || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "copy the file from another member") {
		t.Error(err)
	}
}

// FuzzParse: what is taken has good keys under names of their own; an error quotes none.
func FuzzParse(f *testing.F) {
	f.Add(NewKey())
	f.Add("# a\nk1 c2hvcnQ=\n")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parse(text)
		if err == nil && len(keys) == 0 {
			t.Error("no key, and no error")
		}
		seen := map[string]bool{}
		for _, k := range keys {
			if len(k.secret) != keyBytes || seen[k.id] || k.id == "" {
				t.Errorf("%q", k.id)
			}
			seen[k.id] = true
		}
	})
}
