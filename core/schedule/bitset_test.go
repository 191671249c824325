package schedule

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOpenAndClose checks that numbers move as places of a list do.
func TestOpenAndClose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []bool
		var set bitset
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			at := rapid.IntRange(0, len(list)).Draw(t, "at")
			if at < len(list) && rapid.IntRange(0, 3).Draw(t, "close") == 0 {
				list = slices.Delete(list, at, at+1)
				set.close(at)
				continue
			}
			in := rapid.Bool().Draw(t, "in")
			list = slices.Insert(list, at, in)
			set.open(at)
			if in {
				set.set(at)
			}
		}
		for i, in := range list {
			if set.has(i) != in {
				t.Fatalf("%d: %v, want %v of %v", i, set.has(i), in, list)
			}
		}
		if want := slices.DeleteFunc(list, func(in bool) bool { return !in }); set.count() != len(want) {
			t.Fatalf("%d are in it, want %d", set.count(), len(want))
		}
	})
}
