package access

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestHold compares ranges, at their edges and over them.
func TestHold(t *testing.T) {
	for _, c := range []struct {
		some, others Keys
		want         bool
	}{
		{Keys{"b", ""}, Keys{"b", ""}, true},
		{Keys{"b", ""}, Keys{"b", "b\x00"}, true}, // the same in other words
		{Keys{"b", ""}, Keys{"b", "b\x00\x00"}, false},
		{Keys{"b", ""}, Keys{"b\x00", ""}, false},
		{Keys{"b", ""}, Keys{"a", ""}, false},
		{Keys{"b", ""}, Keys{"", ""}, false},
		{Keys{"b", ""}, Keys{"b", toTheEnd}, false},
		{Keys{"b", "d"}, Keys{"b", "d"}, true},
		{Keys{"b", "d"}, Keys{"b", ""}, true},
		{Keys{"b", "d"}, Keys{"cz", ""}, true},
		{Keys{"b", "d"}, Keys{"d", ""}, false},
		{Keys{"b", "d"}, Keys{"c", "d"}, true},
		{Keys{"b", "d"}, Keys{"c", "d\x00"}, false}, // begins inside, ends outside
		{Keys{"b", "d"}, Keys{"a", "c"}, false},
		{Keys{"b", "d"}, Keys{"a", "e"}, false},
		{Keys{"b", "d"}, Keys{"b", toTheEnd}, false},
		{Keys{"b", "d"}, Keys{"c", "b"}, false}, // ends before it begins
		{Keys{"b", "d"}, Keys{"c", "c"}, false},
		{Keys{"b", toTheEnd}, Keys{"b", toTheEnd}, true},
		{Keys{"b", toTheEnd}, Keys{"c", toTheEnd}, true},
		{Keys{"b", toTheEnd}, Keys{"\xff\xff", "\xff\xff\xff"}, true},
		{Keys{"b", toTheEnd}, Keys{"a", toTheEnd}, false},
		{Keys{firstKey, toTheEnd}, Keys{"", ""}, false}, // etcd has no such key
	} {
		if got := c.some.hold(c.others); got != c.want {
			t.Errorf("%s hold %s: %t", c.some, c.others, got)
		}
	}
}

// TestHoldKeyByKey asks a naive oracle: some keys hold others exactly if they hold
// each of them. The letters are so few that all short keys can be tried.
func TestHoldKeyByKey(t *testing.T) {
	letters := []string{"\x00", "a", "b"}
	all := slices.Clone(letters)
	for range 3 {
		for _, key := range slices.Clone(all) {
			for _, letter := range letters {
				all = append(all, key+letter)
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	among := func(k Keys, key string) bool {
		switch k.End {
		case "":
			return key == k.From
		case toTheEnd:
			return key >= k.From
		}
		return key >= k.From && key < k.End
	}
	short := rapid.SampledFrom(slices.DeleteFunc(slices.Clone(all), func(k string) bool { return len(k) > 2 }))
	keys := rapid.Custom(func(t *rapid.T) Keys {
		return Keys{short.Draw(t, "from"), rapid.OneOf(rapid.SampledFrom([]string{"", toTheEnd}), short).Draw(t, "end")}
	})
	rapid.Check(t, func(t *rapid.T) {
		some, others := keys.Draw(t, "some"), keys.Draw(t, "others")
		want, any := true, false
		for _, key := range all {
			if among(others, key) {
				any = true
				want = want && among(some, key)
			}
		}
		if got := some.hold(others); got != (want && any) {
			t.Fatalf("%s hold %s: %t", some, others, got)
		}
	})
}

// TestOwnIsWithinTheSecondLock wants all that one worker may do to be among what etcd's
// auth lets workers do, and none of it among what it lets others but root.
func TestOwnIsWithinTheSecondLock(t *testing.T) {
	own := ownOf(one)
	if use, found := outsideOf(StoreWorker.Permitted(), own); found {
		t.Errorf("etcd's auth keeps a worker from %+v", use)
	}
	for _, user := range []StoreUser{StoreLocal, StoreViewer} {
		for _, use := range own {
			if _, found := outsideOf(user.Permitted(), []Use{{use.Keys, false}}); !found {
				t.Errorf("%s may read %s", user, use.Keys)
			}
		}
	}
	for _, folder := range []string{"units/", "contents/", "secrets/", "people/", "tokens/", "revoked/", "labels/", "unplaced/"} {
		if _, found := outsideOf(StoreWorker.Permitted(), []Use{{Below(Facts + folder), false}}); !found {
			t.Errorf("etcd's auth lets workers at %s", folder)
		}
	}
	for _, name := range []string{"", "core-01", strings.ToUpper(string(one)), string(one)[:31]} {
		if got := ownOf(Identity{Kind: Worker, Name: name}.Machine()); got != nil {
			t.Errorf("%q has %v", name, got)
		}
	}
}

// TestAWorkersKeys lists what it is refused, in words.
func TestAWorkersKeys(t *testing.T) {
	const states = Facts + "states/" + string(one) + "/"
	const instead = ": a worker reads its placements, writes its own state and keeps its own leases; a member's API has the rest"
	for want, uses := range map[string][]Use{
		"": {{Below(states), true}, {Keys{Facts + "machines/" + string(one), ""}, true}, {Below(Facts + "placements/" + string(one) + "/"), false}},
		`may not read key "/argosy/v1/leader"` + instead:                                    {{Keys{states + "a", ""}, true}, {Keys{Facts + "leader", ""}, false}},
		`may not read all keys from "` + states + `" on` + instead:                          {{Keys{states, toTheEnd}, false}},
		`may not write the keys from "` + states + `" to "/argosy/v1/states0"` + instead:    {{Keys{states, Facts + "states0"}, true}},
		`may not write key "/argosy/v1/placements/` + string(one) + `/a.service"` + instead: {{Keys{Facts + "placements/" + string(one) + "/a.service", ""}, true}},
		`may not read key "` + strings.Repeat("k", 100) + `"` + instead:                     {{Keys{strings.Repeat("k", 1<<20), ""}, false}},
	} {
		_, err := MayCall(asWorker, StoreWorker, StoreCall{Method: "/etcdserverpb.KV/Txn", Uses: uses})
		if got := ""; err != nil {
			if got = err.Error(); got != want {
				t.Errorf("%v: %s, want %q", uses, got, want)
			}
		} else if want != "" {
			t.Errorf("%v: let through, want %q", uses, want)
		}
	}
	_, err := MayCall(asWorker, StoreWorker, StoreCall{Method: "/etcdserverpb.KV/Txn", Fault: "nobody knows what it says"})
	if want := "may not call /etcdserverpb.KV/Txn: nobody knows what it says" + instead; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
