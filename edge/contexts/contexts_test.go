package contexts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestLife(t *testing.T) {
	f := Folder(filepath.Join(t.TempDir(), "argosy"))
	if names, err := f.List(); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	if current, err := f.Current(); current != "" || err != nil {
		t.Errorf("%q, %v", current, err)
	}
	if _, err := f.Load("prod"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, members := range [][]string{{"10.0.0.1:49153"}, {"10.0.0.1:49153", "[2001:db8::1]:49153"}} {
		if err := f.Save("prod", Saved{Members: members, Doors: members[1:], CA: []byte("ca"), Cert: []byte("cert"), Key: []byte("key")}); err != nil {
			t.Fatal(err)
		}
		c, err := f.Load("prod")
		if err != nil || !reflect.DeepEqual(c.Members, members) || len(c.Doors) != len(members)-1 {
			t.Errorf("%+v, %v", c, err)
		}
		for path, want := range map[string]string{c.CAFile: "ca", c.CertFile: "cert", c.KeyFile: "key"} {
			info, err := os.Stat(path)
			text, bad := os.ReadFile(path)
			if err != nil || bad != nil || info.Mode().Perm() != 0o600 || string(text) != want {
				t.Errorf("%s: %v %q, %v, %v", path, info.Mode(), text, err, bad)
			}
		}
	}
	if err := f.Use("prod"); err != nil {
		t.Fatal(err)
	}
	if current, err := f.Current(); current != "prod" || err != nil {
		t.Errorf("%q, %v", current, err)
	}
	if names, err := f.List(); err != nil || !reflect.DeepEqual(names, []string{"prod"}) {
		t.Errorf("%v, %v", names, err)
	}
	if err := f.Remove("prod"); err != nil {
		t.Fatal(err)
	}
	current, err := f.Current()
	if names, bad := f.List(); current != "" || err != nil || bad != nil || len(names) != 0 {
		t.Errorf("after Remove: %q %v, %v, %v", current, names, err, bad)
	}
	for _, err := range []error{f.Remove("prod"), f.Use("prod"), f.Remove("../argosy")} {
		if err == nil || !strings.Contains(err.Error(), "prod") && !strings.Contains(err.Error(), "no context") {
			t.Errorf("of a context that is not there: %v", err)
		}
	}
}

func TestBadInput(t *testing.T) {
	f := Folder(t.TempDir())
	path := filepath.Join(f.of("prod"), "members")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                path + ":1: it names no member: expected HOST:PORT, one a line",
		"# nobody\n":                      path + ":1: it names no member",
		"10.0.0.1:49153\ncore-02\n":       path + `:2: "core-02" is no HOST:PORT`,
		"\n\n:49153":                      path + `:3: ":49153" is no HOST:PORT`,
		"a:0":                             path + `:1: "a:0" is no HOST:PORT`,
		"a:http":                          "is no HOST:PORT",
		"u@a:1":                           "is no HOST:PORT",
		strings.Repeat("a:1\n", 65):       path + ":65: more than 64 members",
		strings.Repeat(" ", mostBytes+10): path + ":1: larger than 65536 bytes",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := f.Load("prod"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %+v, %v, want %q", text, c, err, want)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "Prod", "../x", strings.Repeat("a", 65)} {
		if _, err := f.Load(name); err == nil || !strings.Contains(err.Error(), "is no context's name") {
			t.Errorf("%q: %v", name, err)
		}
		if err := f.Save("prod", Saved{Members: []string{"a:1"}, Doors: []string{"a"}}); err == nil || !strings.Contains(err.Error(), `"a" is no HOST:PORT`) {
			t.Error(err)
		}
		if err := f.Save(name, Saved{Members: []string{"a:1"}}); err == nil {
			t.Errorf("%q is kept", name)
		}
	}
	if err := os.WriteFile(f.current(), []byte("../x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Current(); err == nil || !strings.HasPrefix(err.Error(), f.current()+`:1: "../x" is no context's name`) {
		t.Error(err)
	}
}
