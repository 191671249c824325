package unitfile_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// TestGolden reads every file of testdata and compares what was understood, or
// what is said to be wrong with it, with the .golden file beside it.
func TestGolden(t *testing.T) {
	for _, kind := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join("testdata", kind, "*.service"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files: %v", err)
		}
		for _, file := range files {
			t.Run(kind+"/"+filepath.Base(file), func(t *testing.T) { golden(t, file, kind == "good") })
		}
	}
}

func golden(t *testing.T, path string, good bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := account(filepath.Base(path), string(text))
	if good != (err == nil) {
		t.Errorf("good: %v, but: %v", good, err)
	}
	if err != nil {
		got += err.Error() + "\n"
	}
	if *update {
		if err := os.WriteFile(path+".golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path + ".golden")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// account says all that is understood of a file.
func account(name, text string) (string, error) {
	var out strings.Builder
	file, err := unitfile.Parse(name, text)
	if err != nil {
		return "", err
	}
	for _, o := range file.Options() {
		fmt.Fprintf(&out, "%d [%s] %q = %q\n", o.Line, o.Section, o.Name, o.Value)
	}
	for _, warning := range file.Warnings() {
		fmt.Fprintf(&out, "warning: %s\n", warning)
	}
	needs, err := file.Requirements(cluster.UnitName(name))
	if err == nil {
		fmt.Fprintf(&out, "%+v\n", needs)
	}
	return out.String(), err
}

func TestLimits(t *testing.T) {
	const head = "[Unit]\nDescription="
	full := head + strings.Repeat("a", unitfile.MaxTextBytes-len(head))
	if _, err := unitfile.Parse("full.service", full); err != nil {
		t.Errorf("a file of the greatest size: %v", err)
	}
	_, err := unitfile.Parse("long.service", full+"a")
	const want = "long.service:1: the file has 1048577 bytes; expected at most 1048576"
	if err == nil || err.Error() != want {
		t.Errorf("a byte more:\n got %v\nwant %s", err, want)
	}
}

func TestSpecifiers(t *testing.T) {
	file, err := unitfile.Parse("x", "[X-Fleet]\nMachineMetadata=n=%n N=%N p=%p i=%i c=%% d=100%,%-\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[cluster.UnitName]string{
		"web@1.service":        "n=web@1.service N=web@1 p=web i=1 c=% d=100%,%-",
		"web@a@b.service":      "n=web@a@b.service N=web@a@b p=web i=a@b c=% d=100%,%-",
		`my\x2dweb@%i.service`: `n=my\x2dweb@%i.service N=my\x2dweb@%i p=my\x2dweb i=%i c=% d=100%,%-`,
	} {
		needs, err := file.Requirements(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range needs.Metadata {
			got = append(got, m.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, " "), want)
		}
	}
}

// TestTemplateLeavesInstancesToThemselves: what hangs on the instance cannot be
// judged before there is one.
func TestTemplateLeavesInstancesToThemselves(t *testing.T) {
	file, err := unitfile.Parse("x", "[X-Fleet]\nMachineID=%i\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Requirements("x@.service"); err != nil {
		t.Errorf("the template: %v", err)
	}
	if needs, err := file.Requirements("x@c0ffee00.service"); err != nil || needs.MachineID != "c0ffee00" {
		t.Errorf("an instance: %+v, %v", needs, err)
	}
	if _, err := file.Requirements("x@1.service"); err == nil {
		t.Error("an instance whose name is no machine id was accepted")
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		unit    cluster.UnitName
		want    bool
	}{
		{"mongo@*.service", "mongo@1.service", true},
		{"mongo@*", "mongo@1.service", true},
		{"mongo@?.service", "mongo@10.service", false},
		{"[a-c].service", "b.service", true},
		{"mongo", "mongo.service", false},
		{`a\x2db.mount`, `a\x2db.mount`, true}, // path.Match alone says no
		{`a\*.service`, "a*.service", true},
		{"[", "a.service", false},
	} {
		if got := unitfile.Matches(c.pattern, c.unit); got != c.want {
			t.Errorf("%s on %s: %v", c.pattern, c.unit, got)
		}
	}
}

func TestSectionKeepsLinesAndLists(t *testing.T) {
	file, err := unitfile.Parse("x", "[X-Fleet]\nConflicts=a\n[Unit]\nDescription=d\n[X-Fleet]\nConflicts=\nConflicts=b\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []unitfile.Option{{Section: "X-Fleet", Name: "Conflicts", Value: "b", Line: 7}}
	if got := file.Section("X-Fleet").Values("X-Fleet", "Conflicts"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// FuzzParse: whatever the text, reading it does not panic, lines are in range,
// no option is made up of nothing, and reading is refused or repeatable.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := unitfile.Parse("f", text)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "f:") && !strings.HasPrefix(line, "and ") {
					t.Errorf("no place in %q", line)
				}
			}
			return
		}
		lines := 1 + strings.Count(text, "\n") + strings.Count(text, "\r")
		last := 0
		for _, o := range file.Options() {
			if o.Line <= last || o.Line > lines {
				t.Errorf("line %d after %d, of %d", o.Line, last, lines)
			}
			last = o.Line
			if o.Name == "" || strings.TrimSpace(o.Name) != o.Name || strings.TrimSpace(o.Value) != o.Value || strings.ContainsAny(o.Name+o.Value, "\r\n") {
				t.Errorf("option %+v", o)
			}
		}
		file.Warnings()
		printed(t, file)
		asDropIn(t, text, file)
	})
}

// printed: what was understood of a file, written down and read again, is the same.
func printed(t *testing.T, file *unitfile.File) {
	var text strings.Builder
	for _, o := range file.Options() {
		fmt.Fprintf(&text, "[%s]\n%s=%s\n", o.Section, o.Name, o.Value)
	}
	if strings.Contains(text.String(), "\\\n") || text.Len() > unitfile.MaxTextBytes {
		return // a backslash at a file's very end cannot stand before a line
	}
	again, err := unitfile.Parse("again", text.String())
	if err != nil || len(again.Options()) != len(file.Options()) {
		t.Fatalf("%v: %+v became %q", err, file.Options(), text.String())
	}
	for i, o := range again.Options() {
		if was := file.Options()[i]; o.Section != was.Section || o.Name != was.Name || o.Value != was.Value {
			t.Errorf("%+v became %+v", was, o)
		}
	}
}

// asDropIn: a file means the same as a drop-in of itself, behind it.
func asDropIn(t *testing.T, text string, file *unitfile.File) {
	twice, err := unitfile.Bundle{Text: text, DropIns: []unitfile.DropIn{{Name: "a.conf", Text: text}}}.Parse("f")
	if err != nil {
		if len(text) < unitfile.MaxTextBytes/3 {
			t.Errorf("with itself as a drop-in: %v", err)
		}
		return
	}
	once, both := file.Options(), twice.Options()
	if len(both) != 2*len(once) {
		t.Fatalf("%d options, and %d with itself as a drop-in", len(once), len(both))
	}
	last := 0
	for i, o := range both {
		was := once[i%len(once)]
		if o.Section != was.Section || o.Name != was.Name || o.Value != was.Value || o.Line <= last {
			t.Errorf("option %d of both is %+v, expected %+v behind line %d", i, o, was, last)
		}
		last = o.Line
	}
}

// FuzzRequirements: whatever [X-Fleet] says, it is read or refused, and what is
// read keeps its promises.
func FuzzRequirements(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := unitfile.Parse("f", text)
		if err != nil {
			return
		}
		for _, unit := range []cluster.UnitName{"a.service", "a@.service", "a@1.service", "a.slice", "a@1.container"} {
			needs, err := file.Requirements(unit)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "f:") {
					t.Errorf("no place in %q", err)
				}
				continue
			}
			if needs.MachineID != "" && (needs.Global || len(needs.MachineOf)+len(needs.Conflicts)+len(needs.Replaces) > 0) {
				t.Errorf("together: %+v", needs)
			}
			for _, peer := range needs.MachineOf {
				if _, err := cluster.ParseUnitName(string(peer)); err != nil || peer == unit {
					t.Errorf("peer %q: %v", peer, err)
				}
			}
			for _, m := range needs.Metadata {
				if m.Key == "" || len(m.Values) == 0 {
					t.Errorf("metadata %+v", m)
				}
			}
			checkWords(t, unit, needs)
			placing, err := file.Placing().Requirements(unit)
			if err != nil || !reflect.DeepEqual(needs, placing) {
				t.Errorf("what is kept says %+v, %v; the file says %+v", placing, err, needs)
			}
		}
	})
}

func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.service")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
}
