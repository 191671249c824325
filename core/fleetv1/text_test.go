package fleetv1_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/fleetv1"
	"argosy/core/unitfile"
)

func option(section, name, value string) fleetv1.Option {
	return fleetv1.Option{Section: section, Name: name, Value: value}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		options []fleetv1.Option
		text    string
	}{
		{nil, ""},
		{[]fleetv1.Option{option("Unit", "Description", "x")}, "[Unit]\nDescription=x\n"},
		{
			[]fleetv1.Option{
				option("Unit", "After", "a"), option("Service", "ExecStart", "/bin/a \\\n  b"),
				option("Unit", "After", ""), option("X-Fleet", "Global", "true"),
			},
			"[Unit]\nAfter=a\nAfter=\n\n[Service]\nExecStart=/bin/a \\\n  b\n\n[X-Fleet]\nGlobal=true\n",
		},
	} {
		if got := fleetv1.Text(c.options); got != c.text {
			t.Errorf("%v: %q, want %q", c.options, got, c.text)
		}
	}
	// The hash that fleet 1.0 prints of this unit.
	text := fleetv1.Text([]fleetv1.Option{option("Unit", "Description", "x")})
	if got := cluster.HashOf(text); got != "9fcce57bebda098e6fb9d87b2543194856511ef2" {
		t.Errorf("hash %s", got)
	}
}

// drawOptions draws options as files have them, some unfit for a file.
func drawOptions(t *rapid.T) []fleetv1.Option {
	one := rapid.Custom(func(t *rapid.T) fleetv1.Option {
		return option(
			rapid.SampledFrom([]string{"Unit", "Service", "X-Fleet", "Install", "", "a]b", " S"}).Draw(t, "section"),
			rapid.StringMatching(`[A-Za-z=#; \[]{0,5}`).Draw(t, "name"),
			rapid.StringMatching(`([a-z="#;\[\] \\]|\\\n|\n|\r|é){0,12}`).Draw(t, "value"),
		)
	})
	return rapid.SliceOfN(one, 0, 6).Draw(t, "options")
}

// TestTextIsThatOfFleetsLibrary compares with the library that fleet used, both ways.
func TestTextIsThatOfFleetsLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := drawOptions(t)
		var theirs []*unit.UnitOption
		for _, o := range options {
			theirs = append(theirs, unit.NewUnitOption(o.Section, o.Name, o.Value))
		}
		text, _ := io.ReadAll(unit.Serialize(theirs))
		if got := fleetv1.Text(options); got != string(text) {
			t.Fatalf("%q, fleet's library writes %q", got, text)
		}
	})
}

// TestOptionsAreThoseOfFleetsLibrary: where that library reads a file without
// comments, it reads what Options does. It takes an escaped backslash at a line's
// end for a line that goes on, which systemd does not.
func TestOptionsAreThoseOfFleetsLibrary(t *testing.T) {
	line := rapid.StringMatching(`[A-Z]{1,2} ?= ?[a-z =]{0,4}( \\\n *[a-z]{1,3}){0,2}( \\\n)?`)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for range rapid.IntRange(0, 3).Draw(t, "sections") {
			text.WriteString(rapid.SampledFrom([]string{"[A]\n", "[B]\n\n"}).Draw(t, "section"))
			text.WriteString(strings.Join(rapid.SliceOfN(line, 0, 3).Draw(t, "lines"), "\n") + "\n")
		}
		theirs, err := unit.DeserializeOptions(strings.NewReader(text.String()))
		if err != nil {
			t.Fatalf("%q: %v", text.String(), err)
		}
		ours, err := fleetv1.Options(text.String())
		if err != nil || len(ours) != len(theirs) {
			t.Fatalf("%q reads as %q, %v", text.String(), ours, err)
		}
		for i, o := range theirs {
			if ours[i] != option(o.Section, o.Name, o.Value) {
				t.Fatalf("%q reads as %q, fleet's library reads %q", text.String(), ours[i], *o)
			}
		}
	})
}

// TestCheckedOptionsReadBack: what Check lets through is read back from its file
// as it was given, and then written as it was.
func TestCheckedOptionsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := slices.DeleteFunc(drawOptions(t), func(o fleetv1.Option) bool { return fleetv1.Check([]fleetv1.Option{o}) != nil })
		text := fleetv1.Text(options)
		back, err := fleetv1.Options(text)
		if err != nil || len(back) != len(options) {
			t.Fatalf("%q reads as %v, %v", text, back, err)
		}
		for i, o := range bySection(options) {
			if back[i].Section != o.Section || back[i].Name != strings.TrimSpace(o.Name) || strings.TrimSpace(back[i].Value) != strings.TrimSpace(o.Value) {
				t.Fatalf("%q reads as %q instead of %q", text, back[i], o)
			}
		}
		again := fleetv1.Text(back)
		if !fleetv1.Same(unitfile.Bundle{Text: text}, again) {
			t.Fatalf("%q is not the same as %q", text, again)
		}
		twice, err := fleetv1.Options(again)
		if err != nil || !slices.Equal(twice, back) {
			t.Fatalf("%q reads as %v, %v", again, twice, err)
		}
	})
}

func TestOptions(t *testing.T) {
	for text, want := range map[string][]fleetv1.Option{
		"": nil,
		"# c\n[Unit]\n Description = x \n;c\nAfter=\n":       {option("Unit", "Description", "x"), option("Unit", "After", "")},
		"[Service]\nExecStart=/a \\\n  b \\\n  c\nUser=u\n":  {option("Service", "ExecStart", "/a \\\n  b \\\n  c"), option("Service", "User", "u")},
		"[Service]\r\nExecStart=/a \\\r\n  b\r\n":            {option("Service", "ExecStart", "/a \\\n  b")},
		"[S]\nA=x \\\n# c\n y\nB=z\n":                        {option("S", "A", "x \\\n# c\n y"), option("S", "B", "z")},
		"[S]\nA=x \\\n\nB=z\n":                               {option("S", "A", "x \\\n"), option("S", "B", "z")},
		"[S]\nA=x \\":                                        {option("S", "A", "x \\\n")},
		"[S]\nA=x \\\n":                                      {option("S", "A", "x \\\n")},
		"[S]\nA=x\\\\\nB=z\n":                                {option("S", "A", `x\\`), option("S", "B", "z")},
		"[S]\nA\\\n# c=d\n=x\n":                              {option("S", "A", "x")},
		"[S]\nA=1\n[T]\nB=2\n[S]\nC=3\n":                     {option("S", "A", "1"), option("T", "B", "2"), option("S", "C", "3")},
		"\ufeff[S]\nA=1\n":                                   {option("S", "A", "1")},
		"[Service]\nExecStart=/bin/sh -c 'echo \"<&>\" # é'": {option("Service", "ExecStart", `/bin/sh -c 'echo "<&>" # é'`)},
	} {
		if got, err := fleetv1.Options(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	if _, err := fleetv1.Options("rubbish"); err == nil {
		t.Error("rubbish was read")
	}
}

func TestCheckRefuses(t *testing.T) {
	good := option("Service", "ExecStart", "/bin/true")
	for _, bad := range []fleetv1.Option{
		{},
		option("", "A", "x"), option("Ser]vice", "A", "x"), option("Ser\nvice", "A", "x"), option("[Service", "A", "x"),
		option("Service", "", "x"), option("Service", "A=B", "x"), option("Service", "#A", "x"), option("Service", ";A", "x"),
		option("Service", "[A", "x"), option("Service", "A\nB", "x"), option("Service", "A\\\nB", "x"), option("Service", " ", "x"),
		option("Service", "A", "x\nB=y"), option("Service", "A", "x\n[Other]"), option("Service", "A", "x\n"+`\`),
		option("Service", "A", `x\`), option("Service", "A", "x\nrubbish"), option("Service", "A", "x\x00"),
		option("Service", "A", "x\r[Other]"), option("Service", "A", strings.Repeat("x", 1<<20)),
	} {
		err := fleetv1.Check([]fleetv1.Option{good, bad})
		if err == nil || !strings.Contains(err.Error(), "option 2") || len(err.Error()) > 500 {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := fleetv1.Check([]fleetv1.Option{good, option("Service", "A", "x \\\n"), option("Service", "B", " y ")}); err != nil {
		t.Error(err)
	}
}

func TestSame(t *testing.T) {
	const text = "[Unit]\nDescription=x\n"
	for other, want := range map[string]bool{
		text: true, "# by hand\n\n[Unit]\nDescription = x": true,
		"[Unit]\nDescription=y\n": false, "[Unit]\nDescription=x\n[Service]\nA=\n": false, "rubbish": false, "": false,
	} {
		if fleetv1.Same(unitfile.Bundle{Text: text}, other) != want || fleetv1.Same(unitfile.Bundle{Text: other}, text) != want {
			t.Errorf("%q: not %v", other, want)
		}
	}
}

// FuzzOptions: what is read and can be written is then read the same. A value
// that ends in a backslash and spaces can be read alone: trimmed, it would take
// in the next line.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{"[S]\nA=x \\\n# c\n y\nB=z\n", "[S]\nA\\\n# c=d\n=x\n", "[S]\n\\\nA=x\\\n\\", "[S]\nA=\\\n\\\n\n[S]\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		options, err := fleetv1.Options(text)
		if err != nil || fleetv1.Check(options) != nil {
			return
		}
		again := fleetv1.Text(options)
		back, err := fleetv1.Options(again)
		if err != nil || !slices.Equal(bySection(options), back) {
			t.Errorf("%q is written %q and reads %q instead of %q, %v", text, again, back, options, err)
		}
	})
}

// bySection is the order in which Text writes.
func bySection(options []fleetv1.Option) []fleetv1.Option {
	var sections []string
	for _, o := range options {
		if !slices.Contains(sections, o.Section) {
			sections = append(sections, o.Section)
		}
	}
	sorted := slices.Clone(options)
	slices.SortStableFunc(sorted, func(a, b fleetv1.Option) int {
		return slices.Index(sections, a.Section) - slices.Index(sections, b.Section)
	})
	return sorted
}
