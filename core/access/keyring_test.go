package access_test

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/access"
)

func TestAKeyIsReplaced(t *testing.T) {
	var k access.Keyring
	if k.Replacing() || len(k.Missing([]string{"a"})) != 0 || !slices.Equal(k.Arranged([]string{"a", "b"}), []string{"a", "b"}) {
		t.Errorf("before the first: %+v", k)
	}
	k = k.Beginning([]string{"a", "x"}, "b")
	if want := (access.Keyring{Seals: "a", Next: "b", Former: []string{"a", "x"}}); !reflect.DeepEqual(k, want) || !k.Replacing() {
		t.Errorf("begun: %+v, want %+v", k, want)
	}
	if got := k.Missing([]string{"z"}); !slices.Equal(got, []string{"a", "b", "x"}) {
		t.Errorf("missing %v", got)
	}
	if got := k.Arranged([]string{"x", "a", "b"}); !slices.Equal(got, []string{"a", "x", "b"}) {
		t.Errorf("begun, a file has %v", got)
	}
	k = k.Turned()
	if got := k.Arranged([]string{"a", "x", "b"}); !slices.Equal(got, []string{"b", "a", "x"}) || !k.Replacing() {
		t.Errorf("turned, a file has %v, %+v", got, k)
	}
	k = k.Finished()
	if want := (access.Keyring{Seals: "b", Ended: []string{"a", "x"}}); !reflect.DeepEqual(k, want) || k.Replacing() {
		t.Errorf("finished: %+v, want %+v", k, want)
	}
	// The member that was off forgets nothing before it has the key that seals.
	for held, want := range map[string][]string{"a": {"a"}, "ab": {"b"}, "axbz": {"b", "z"}} {
		var all []string
		for _, id := range held {
			all = append(all, string(id))
		}
		if got := k.Arranged(all); !slices.Equal(got, want) {
			t.Errorf("of %v a file keeps %v, want %v", all, got, want)
		}
	}
}

// A next key that was lost with the member that made it is a former one from then on.
func TestALostNextKeyIsForgottenToo(t *testing.T) {
	k := access.Keyring{}.Beginning([]string{"a"}, "b").Beginning([]string{"a"}, "c")
	if want := (access.Keyring{Seals: "a", Next: "c", Former: []string{"a", "b"}}); !reflect.DeepEqual(k, want) {
		t.Errorf("%+v, want %+v", k, want)
	}
}

// TestMembersFollowAKeyring: whenever members look at the keyring and in whatever order,
// each has the key that seals, once it could get what it misses, and holds none for ever
// that has ended.
func TestMembersFollowAKeyring(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ring access.Keyring
		members := [][]string{{"k0"}, {"k0"}, {"k0"}}
		look := func(n int) {
			for _, id := range ring.Missing(members[n]) {
				for _, other := range members {
					if slices.Contains(other, id) && !slices.Contains(members[n], id) {
						members[n] = append(slices.Clone(members[n]), id)
					}
				}
			}
			members[n] = ring.Arranged(members[n])
		}
		all := func() {
			for n := range members {
				look(n)
			}
		}
		for round := range rapid.IntRange(1, 4).Draw(t, "keys") {
			by, off := rapid.IntRange(0, 2).Draw(t, "by"), rapid.IntRange(0, 2).Draw(t, "off")
			steps := []func(){
				func() {
					look(by)
					next := "k" + string(rune('1'+round))
					members[by] = append(slices.Clone(members[by]), next)
					ring = ring.Beginning(members[by][:len(members[by])-1], next)
				},
				func() { ring = ring.Turned() },
				func() { ring = ring.Finished() },
			}
			for _, step := range steps {
				step()
				for _, n := range rapid.Permutation([]int{0, 1, 2}).Draw(t, "order") {
					if n != off || off == by {
						look(n)
					}
					if n != off && !slices.Contains(members[n], ring.Seals) {
						t.Fatalf("member %d has %v, and %s seals", n, members[n], ring.Seals)
					}
				}
			}
		}
		all()
		for n, held := range members {
			if !slices.Equal(held, []string{ring.Seals}) {
				t.Fatalf("member %d is left with %v under %+v", n, held, ring)
			}
		}
	})
}
