package basetree

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func recipe(t *testing.T) Recipe {
	t.Helper()
	r, err := Debian13()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeyIsOfAllThatIsInTheTree(t *testing.T) {
	first, second := recipe(t), recipe(t)
	if first.Key() != second.Key() {
		t.Error("the same recipe has two keys")
	}
	seen := map[string]string{first.Key(): "unchanged"}
	for name, change := range map[string]func(*Recipe){
		"suite":   func(r *Recipe) { r.Suite = "forky" },
		"arch":    func(r *Recipe) { r.Arch = "riscv64" },
		"package": func(r *Recipe) { r.Packages = append(slices.Clone(r.Packages), "hello") },
		"command": func(r *Recipe) { r.Commands = r.Commands[1:] },
		"mask":    func(r *Recipe) { r.Masked = nil },
		"file":    func(r *Recipe) { r.Files["etc/sudoers.d/core"] += "\n" },
		"removed": func(r *Recipe) { r.Removed = nil },
	} {
		r := recipe(t)
		change(&r)
		if other, twice := seen[r.Key()]; twice {
			t.Errorf("%s: the key is that of %s", name, other)
		}
		seen[r.Key()] = name
	}
}

func TestFinish(t *testing.T) {
	tree := t.TempDir()
	for _, path := range []string{"etc/systemd/system/apt-daily.timer", "etc/hostname", "var/cache/apt/archives/x.deb"} {
		file := filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := recipe(t)
	if err := r.finish(tree); err != nil {
		t.Fatal(err)
	}
	for _, unit := range r.Masked {
		if to, err := os.Readlink(filepath.Join(tree, "etc/systemd/system", unit)); err != nil || to != "/dev/null" {
			t.Errorf("%s is not masked: %q, %v", unit, to, err)
		}
	}
	for _, path := range r.Removed {
		if _, err := os.Lstat(filepath.Join(tree, path)); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	for path := range r.Files {
		info, err := os.Stat(filepath.Join(tree, path))
		if err != nil {
			t.Error(err)
		} else if strings.HasPrefix(path, "etc/sudoers.d/") && info.Mode().Perm() != 0o440 {
			t.Errorf("%s has mode %o: sudo would ignore it", path, info.Mode().Perm())
		}
	}
}

func TestNothingUnfinishedCounts(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(cache.Dir, "unfinished/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if path, found := cache.Find(recipe(t)); found {
		t.Errorf("an interrupted build counts: %s", path)
	}
}

// The numbers in the commands are those by which files are given away.
func TestUsersHaveTheirNumbers(t *testing.T) {
	var text strings.Builder
	for _, command := range recipe(t).Commands {
		text.WriteString(strings.Join(command, " ") + "\n")
	}
	for _, want := range []string{"--gid 970 etcd", "--gid 971 argosy-endpoint", "--gid 972 fleet", "--uid 500"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no command has %q:\n%s", want, text.String())
		}
	}
	if EtcdID != 970 || EndpointID != 971 || FleetID != 972 || CoreID != 500 {
		t.Error("the constants differ from the commands")
	}
}
