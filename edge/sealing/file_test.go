package sealing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func (f File) mustHold(t *testing.T, want ...string) {
	t.Helper()
	if held, err := f.Held(); err != nil || !slices.Equal(held, want) {
		t.Errorf("held: %q, %v, want %q", held, err, want)
	}
	if info, err := os.Stat(string(f)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(string(f)), ".secrets.key.*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestAKeyGoesToAnotherMember: it opens there what the first one sealed with it, wherever
// it stands, and what was there stays.
func TestAKeyGoesToAnotherMember(t *testing.T) {
	one, other := created(t), created(t)
	ids, err := one.Held()
	if err != nil {
		t.Fatal(err)
	}
	own, err := other.Held()
	if err != nil {
		t.Fatal(err)
	}
	line, err := one.Line(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := other.Add(line); err != nil {
			t.Fatal(err)
		}
		other.mustHold(t, own[0], ids[0])
	}
	if got, err := other.Open("db", 3, sealed(t, one, "hunter2")); err != nil || string(got) != "hunter2" {
		t.Errorf("%q, %v", got, err)
	}
	s, err := other.Seal(ids[0], "db", 3, []byte("hunter3"))
	if err != nil || s.Key != ids[0] {
		t.Fatalf("%+v, %v", s, err)
	}
	if got, err := one.Open("db", 3, s); err != nil || string(got) != "hunter3" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := one.Seal(own[0], "db", 3, nil); err == nil || err.Error() != "seal the secret db: the key \""+own[0]+"\" seals, which is not in "+string(one) {
		t.Error(err)
	}
	if _, err := one.Line("../x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that is not there: %v", err)
	}
}

func TestArrangeKeys(t *testing.T) {
	f := created(t)
	ids, err := f.Held()
	if err != nil {
		t.Fatal(err)
	}
	old := sealed(t, f, "hunter2")
	if err := f.Add("k2" + strings.TrimLeft(NewKey(), "0123456789abcdef")); err != nil {
		t.Fatal(err)
	}
	arrange := func(wants bool, order ...string) {
		t.Helper()
		changed, err := f.Arrange(func([]string) []string { return order })
		if err != nil || changed != wants {
			t.Errorf("%q: %v, %v, want %v", order, changed, err, wants)
		}
		f.mustHold(t, order...)
	}
	arrange(false, ids[0], "k2")
	arrange(true, "k2", ids[0])
	if s := sealed(t, f, "hunter3"); s.Key != "k2" {
		t.Errorf("sealed with %s", s.Key)
	}
	if got, err := f.Open("db", 3, old); err != nil || string(got) != "hunter2" {
		t.Errorf("%q, %v", got, err)
	}
	arrange(true, "k2")
	if _, err := f.Open("db", 3, old); err == nil {
		t.Error("what was sealed with a forgotten key is opened")
	}
	for _, bad := range [][]string{nil, {"k3"}, {"k2", "k2"}} {
		if _, err := f.Arrange(func([]string) []string { return bad }); err == nil || !strings.HasPrefix(err.Error(), "put the keys for secrets in order: ") {
			t.Errorf("%q: %v", bad, err)
		}
		f.mustHold(t, "k2")
	}
	for line, want := range map[string]string{
		"":                "take up a key for secrets: there is no key in it",
		"k9\n":            "take up a key for secrets:1: expected the id of a key and the key in base64",
		"k2 " + secondKey: `take up a key for secrets: the key "k2" is another one here`,
	} {
		if err := f.Add(line); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", line, err, want)
		}
		f.mustHold(t, "k2")
	}
	if err := File(filepath.Join(t.TempDir(), "none")).Add(NewKey()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

const secondKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

// TestSeveralChangeAFile: none undoes what another has done.
func TestSeveralChangeAFile(t *testing.T) {
	f := created(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := f.Add(NewKey()); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := f.Arrange(func(held []string) []string { slices.Reverse(held); return held }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if held, err := f.Held(); err != nil || len(held) != 9 {
		t.Errorf("%q, %v", held, err)
	}
}

func TestAnAuthoritysKeyIsSealedAnew(t *testing.T) {
	f := created(t)
	text, err := f.SealKey([]byte("a key"))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := f.Held()
	if err != nil {
		t.Fatal(err)
	}
	if again, changed, err := f.Resealed(ids[0], text); err != nil || changed || again != text {
		t.Errorf("with the same key: %q, %v, %v", again, changed, err)
	}
	if err := f.Add("k2 " + secondKey); err != nil {
		t.Fatal(err)
	}
	again, changed, err := f.Resealed("k2", text)
	if err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	if _, err := f.Arrange(func([]string) []string { return []string{"k2"} }); err != nil {
		t.Fatal(err)
	}
	if key, err := f.OpenKey(again); err != nil || string(key) != "a key" {
		t.Errorf("%q, %v", key, err)
	}
	for _, bad := range []string{"waste", text} {
		if _, _, err := f.Resealed("k3", bad); err == nil {
			t.Errorf("%q was sealed anew", bad)
		}
	}
}
