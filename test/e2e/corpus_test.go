//go:build machines

package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	unit "argosy/core/cluster"
	"argosy/core/unitfile"
)

// TestCorpus takes the unit files that Debian's packages have put on a machine:
// all are read, none is refused, none loses a byte on its way into the cluster
// and back.
func TestCorpus(t *testing.T) {
	units, dropIns := corpus(t)
	kinds := map[string]int{}
	for name, text := range units {
		kinds[path.Ext(name)]++
		file, err := unitfile.Parse(name, text)
		if err != nil {
			t.Errorf("refused: %v", err)
			continue
		}
		if again := reprinted(t, name, file); !slices.EqualFunc(again, file.Options(), sameOption) {
			t.Errorf("%s is read, printed and read as\n%+v\nexpected\n%+v", name, again, file.Options())
		}
		if _, err := file.Requirements(unit.UnitName(name)); err != nil {
			t.Error(err)
		}
		for _, warning := range file.Warnings() {
			t.Errorf("systemd's own directives are doubted: %s", warning)
		}
	}
	for name, text := range dropIns {
		if _, err := unitfile.Parse(name, text); err != nil {
			t.Errorf("refused: %v", err)
		}
	}
	t.Logf("%d units %v, %d drop-ins", len(units), kinds, len(dropIns))
	if len(units)+len(dropIns) < 200 || len(kinds) < 7 {
		t.Errorf("only %d units and %d drop-ins of the types %v are at hand", len(units), len(dropIns), kinds)
	}
	throughTheCluster(t, slices.Sorted(maps.Keys(units)))
}

// throughTheCluster submits the files where they lie on core-01, and compares
// what core-02 prints of each.
func throughTheCluster(t *testing.T, names []string) {
	t.Helper()
	t.Cleanup(func() { cluster.shell(t, "core-01", "xargs fleetctl destroy < corpus >/dev/null; rm -f corpus") })
	cluster.write(t, "core-01", "/home/core/corpus", strings.Join(names, "\n")+"\n")
	cluster.must(t, "core-01", "cd /usr/lib/systemd/system && xargs fleetctl submit < ~/corpus >/dev/null")
	out := cluster.shell(t, "core-01", "cd /usr/lib/systemd/system && while read -r unit; do fleetctl cat $unit 2>/dev/null | cmp - $unit; done < ~/corpus")
	if out.stdout+out.stderr != "" {
		t.Errorf("not as it was submitted:\n%s%s", out.stdout, out.stderr)
	}
	if out := cluster.must(t, "core-02", "fleetctl list-unit-files --no-legend | wc -l"); strings.TrimSpace(out) != fmt.Sprint(len(names)+3) {
		t.Errorf("%s unit files are in the cluster, expected %d and the 3 of hello", strings.TrimSpace(out), len(names))
	}
}

// corpus reads a machine's unit files and drop-ins by name. Links to files are
// other names of the same.
func corpus(t *testing.T) (units, dropIns map[string]string) {
	t.Helper()
	out := cluster.run(t, nil, cluster.argosy, "ssh", "--name", cluster.name, "core-01", "--", "tar -C /usr/lib/systemd/system -cf - .")
	if out.code != 0 {
		t.Fatalf("read a machine's units: exit %d\n%s", out.code, out.stderr)
	}
	units, dropIns = map[string]string{}, map[string]string{}
	for r := tar.NewReader(bytes.NewReader([]byte(out.stdout))); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return units, dropIns
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(header.Name, "./")
		if header.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unit.ParseUnitName(name); err == nil {
			units[name] = string(text)
		} else if strings.HasSuffix(name, ".conf") {
			dropIns[name] = string(text)
		}
	}
}

// reprinted is what is understood of a file, printed and read again.
func reprinted(t *testing.T, name string, file *unitfile.File) []unitfile.Option {
	t.Helper()
	var text strings.Builder
	for _, o := range file.Options() {
		fmt.Fprintf(&text, "[%s]\n%s=%s\n", o.Section, o.Name, o.Value)
	}
	again, err := unitfile.Parse(name, text.String())
	if err != nil {
		t.Errorf("printed and read again: %v", err)
		return nil
	}
	return again.Options()
}

func sameOption(a, b unitfile.Option) bool {
	return a.Section == b.Section && a.Name == b.Name && a.Value == b.Value
}
