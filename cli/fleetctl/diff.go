package fleetctl

import (
	"fmt"
	"slices"
	"strings"
)

// around is how many unchanged lines are shown on each side of a change.
const around = 3

// mostCompared bounds the pairs of lines that are compared. Texts that differ
// in more than that are shown as wholly another.
const mostCompared = 4 << 20

// edit is one line of the way from one text to another.
type edit struct {
	kind byte   // ' ' stays, '-' goes, '+' comes
	line string // with its line end, if it has one
}

// unified tells two texts apart as diff -u does, see diff(1). It is empty where
// they are the same.
func unified(oldName, newName, oldText, newText string) string {
	edits := compared(slices.Collect(strings.Lines(oldText)), slices.Collect(strings.Lines(newText)))
	var out strings.Builder
	oldLine, newLine := 1, 1
	for at := 0; at < len(edits); {
		begin, end := hunk(edits, at)
		for _, e := range edits[at:begin] {
			oldLine, newLine = past(e, oldLine, newLine)
		}
		if begin == len(edits) {
			break
		}
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldName, newName)
		}
		oldEnd, newEnd := oldLine, newLine
		for _, e := range edits[begin:end] {
			oldEnd, newEnd = past(e, oldEnd, newEnd)
		}
		fmt.Fprintf(&out, "@@ -%s +%s @@\n", span(oldLine, oldEnd), span(newLine, newEnd))
		for _, e := range edits[begin:end] {
			fmt.Fprintf(&out, "%c%s\n", e.kind, strings.TrimSuffix(e.line, "\n"))
			if !strings.HasSuffix(e.line, "\n") {
				out.WriteString("\\ No newline at end of file\n")
			}
		}
		at, oldLine, newLine = end, oldEnd, newEnd
	}
	return out.String()
}

// hunk finds the next changes from at on, with the lines around them. Changes so
// close that their surroundings meet are one hunk.
func hunk(edits []edit, at int) (begin, end int) {
	changed := func(e edit) bool { return e.kind != ' ' }
	first := slices.IndexFunc(edits[at:], changed)
	if first < 0 {
		return len(edits), len(edits)
	}
	last := at + first
	for {
		next := slices.IndexFunc(edits[last+1:], changed)
		if next < 0 || next > 2*around {
			return max(at, at+first-around), min(len(edits), last+1+around)
		}
		last += 1 + next
	}
}

// past counts the lines of both texts behind an edit.
func past(e edit, oldLine, newLine int) (int, int) {
	if e.kind != '+' {
		oldLine++
	}
	if e.kind != '-' {
		newLine++
	}
	return oldLine, newLine
}

// span is a hunk's place in one text: its first line and how many there are. Of
// none, it is the line before.
func span(first, end int) string {
	switch end - first {
	case 0:
		return fmt.Sprintf("%d,0", first-1)
	case 1:
		return fmt.Sprint(first)
	default:
		return fmt.Sprintf("%d,%d", first, end-first)
	}
}

// compared is the shortest way from one list of lines to the other.
func compared(from, to []string) []edit {
	var edits, tail []edit
	for len(from) > 0 && len(to) > 0 && from[0] == to[0] {
		edits = append(edits, edit{' ', from[0]})
		from, to = from[1:], to[1:]
	}
	for len(from) > 0 && len(to) > 0 && from[len(from)-1] == to[len(to)-1] {
		tail = append(tail, edit{' ', from[len(from)-1]})
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	slices.Reverse(tail)
	common := kept(from, to)
	for len(from) > 0 || len(to) > 0 {
		switch {
		case common != nil && len(from) > 0 && len(to) > 0 && from[0] == to[0]:
			edits = append(edits, edit{' ', from[0]})
			from, to = from[1:], to[1:]
		case len(to) == 0 || len(from) > 0 && (common == nil || common(len(from)-1, len(to)) >= common(len(from), len(to)-1)):
			edits = append(edits, edit{'-', from[0]})
			from = from[1:]
		default:
			edits = append(edits, edit{'+', to[0]})
			to = to[1:]
		}
	}
	return append(edits, tail...)
}

// kept tells how many lines the last m of from and the last n of to have in
// common, in order. It is nil where that is too much to count.
func kept(from, to []string) func(m, n int) int32 {
	if (len(from)+1)*(len(to)+1) > mostCompared {
		return nil
	}
	width := len(to) + 1
	counts := make([]int32, (len(from)+1)*width)
	for m := 1; m <= len(from); m++ {
		for n := 1; n <= len(to); n++ {
			if from[len(from)-m] == to[len(to)-n] {
				counts[m*width+n] = counts[(m-1)*width+n-1] + 1
			} else {
				counts[m*width+n] = max(counts[(m-1)*width+n], counts[m*width+n-1])
			}
		}
	}
	return func(m, n int) int32 { return counts[m*width+n] }
}
