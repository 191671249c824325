package fleetctl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	numbers := func(most int) string {
		var out strings.Builder
		for i := range most {
			fmt.Fprintln(&out, i+1)
		}
		return out.String()
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"the same", "a\n", "a\n", ""},
		{"nothing at all", "", "", ""},
		{"one line of several", "a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"from nothing", "", "a\n", "@@ -0,0 +1 @@\n+a\n"},
		{"to nothing", "a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"the line end alone", "a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
		{"far apart", numbers(12), "0\n" + strings.Replace(numbers(12), "12\n", "", 1),
			"@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -9,4 +10,3 @@\n 9\n 10\n 11\n-12\n"},
		{"close together", numbers(8), "0\n" + strings.Replace(numbers(8), "7\n", "", 1),
			"@@ -1,8 +1,8 @@\n+0\n 1\n 2\n 3\n 4\n 5\n 6\n-7\n 8\n"},
	} {
		want := c.want
		if want != "" {
			want = "--- old\n+++ new\n" + want
		}
		if got := unified("old", "new", c.from, c.to); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, want)
		}
	}
}

// TestEditsLeadFromOneToTheOther, and keep as much as can be kept.
func TestEditsLeadFromOneToTheOther(t *testing.T) {
	lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n"}), 0, 12)
	rapid.Check(t, func(t *rapid.T) {
		from, to := lines.Draw(t, "from"), lines.Draw(t, "to")
		var before, after, stays []string
		for _, e := range compared(from, to) {
			if e.kind != '+' {
				before = append(before, e.line)
			}
			if e.kind != '-' {
				after = append(after, e.line)
			}
			if e.kind == ' ' {
				stays = append(stays, e.line)
			}
		}
		if !slices.Equal(before, from) || !slices.Equal(after, to) {
			t.Fatalf("from %q to %q leads from %q to %q", from, to, before, after)
		}
		if most := mostKept(from, to); len(stays) != most {
			t.Fatalf("%d lines stay of %q and %q, %d could", len(stays), from, to, most)
		}
	})
}

// mostKept finds by trying everything how many lines can stay.
func mostKept(from, to []string) int {
	most := 0
	for set := range 1 << len(from) {
		var chosen []string
		for i, line := range from {
			if set>>i&1 == 1 {
				chosen = append(chosen, line)
			}
		}
		rest := chosen
		for _, line := range to {
			if len(rest) > 0 && rest[0] == line {
				rest = rest[1:]
			}
		}
		if len(rest) == 0 {
			most = max(most, len(chosen))
		}
	}
	return most
}

// TestLargeTextsDiffer in time, if not in the fewest lines.
func TestLargeTextsDiffer(t *testing.T) {
	var from, to strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&from, "a%d\n", i)
		fmt.Fprintf(&to, "b%d\n", i)
	}
	if got := unified("old", "new", "same\n"+from.String(), "same\n"+to.String()); strings.Count(got, "\n") != 3+1+100_000 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}
