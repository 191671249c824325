package access

import (
	"fmt"

	"argosy/core/cluster"
)

// Facts is the folder of all facts in the store; its number changes when their layout
// does. The facts of all versions, and what there is beside them, lie below foreign.
const (
	Facts         = "/argosy/v1/"
	foreign       = "/argosy/"
	behindForeign = "/argosy0"
)

// firstKey is the lowest key that there can be, and toTheEnd how etcd writes a range
// without an end.
const firstKey, toTheEnd = "\x00", "\x00"

// Keys are some keys of the store as etcd writes them: From alone where End is empty,
// all from From on where it is "\x00", else those from From up to End, without it.
type Keys struct{ From, End string }

// Below are the keys that begin with a folder's name, whose last letter is a slash.
func Below(folder string) Keys {
	const afterSlash = "0"
	return Keys{folder, folder[:len(folder)-1] + afterSlash}
}

// hold says whether others are all among k. A range that ends before it begins is in
// none: nobody has a use for it.
func (k Keys) hold(others Keys) bool {
	switch others.End {
	case "":
		return k.has(others.From)
	case toTheEnd:
		return k.End == toTheEnd && k.From <= others.From
	}
	if others.End <= others.From || others.From < k.From {
		return false
	}
	switch k.End {
	case "":
		return others.End <= k.From+"\x00" // the key behind it
	case toTheEnd:
		return true
	}
	return others.End <= k.End
}

func (k Keys) has(key string) bool {
	switch k.End {
	case "":
		return key == k.From
	case toTheEnd:
		return key >= k.From
	}
	return key >= k.From && key < k.End
}

func (k Keys) String() string {
	switch k.End {
	case "":
		return fmt.Sprintf("key %.100q", k.From)
	case toTheEnd:
		return fmt.Sprintf("all keys from %.100q on", k.From)
	}
	return fmt.Sprintf("the keys from %.100q to %.100q", k.From, k.End)
}

// Use is what somebody does with keys: looks at them, or changes them too.
type Use struct {
	Keys
	Writes bool
}

// StoreUsers are all users that etcd's own auth has.
func StoreUsers() []StoreUser { return []StoreUser{StoreRoot, StoreLocal, StoreViewer, StoreWorker} }

// Permitted lists what etcd's own auth lets a user do; root, for whom there is no list,
// may do everything. Of workers it is what all of them do together: it is the second
// lock, behind MayCall, which holds each to its own.
func (u StoreUser) Permitted() []Use {
	outside := func(writes bool) []Use {
		return []Use{{Keys{firstKey, foreign}, writes}, {Keys{behindForeign, toTheEnd}, writes}}
	}
	switch u {
	case StoreLocal:
		return outside(true)
	case StoreViewer:
		return outside(false)
	case StoreWorker:
		return []Use{{Below(Facts + "machines/"), true}, {Below(Facts + "placements/"), false}, {Below(Facts + "states/"), true}}
	case StoreRoot:
	}
	return nil
}

// ownOf is what one worker may do. Its record and what it says of itself and of others,
// which lies below that, are one range.
func ownOf(worker cluster.MachineID) []Use {
	id := string(worker)
	if _, err := cluster.ParseMachineID(id); err != nil {
		return nil
	}
	record := Facts + "machines/" + id
	return []Use{
		{Keys{record, Below(record + "/").End}, true},
		{Below(Facts + "placements/" + id + "/"), false},
		{Below(Facts + "states/" + id + "/"), true},
	}
}

// outsideOf finds what is in none of some uses.
func outsideOf(own, uses []Use) (use Use, found bool) {
	for _, use := range uses {
		within := false
		for _, may := range own {
			within = within || may.hold(use.Keys) && (may.Writes || !use.Writes)
		}
		if !within {
			return use, true
		}
	}
	return Use{}, false
}
