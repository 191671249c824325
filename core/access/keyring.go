package access

import (
	"slices"
	"time"
)

// Keyring says which of the members' keys seals the cluster's secrets, since the first
// one was replaced: key keyring, written by an admin on a member. It names keys by
// their ids; the keys themselves are in members' files alone. One is replaced in three
// steps: the next one is got by all members, then it seals, then the former ones are
// ended, with which nothing is sealed any more.
type Keyring struct {
	Revision int64 `json:"-"` // of the store at the last write; 0 where there was none

	Seals  string    `json:"seals"`            // seals; empty stands for the first of each member's file
	Next   string    `json:"next,omitempty"`   // is to seal once all members have it
	Former []string  `json:"former,omitempty"` // are on their way out; empty where no key is being replaced
	Ended  []string  `json:"ended,omitempty"`  // members forget them
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at"`
}

// Replacing says that one key is on its way into another's place.
func (k Keyring) Replacing() bool { return len(k.Former) > 0 }

// Beginning has another key take the place of all that members hold; held has the one
// first that seals where the keyring names none. A next one that nobody has, because the
// member that made it was lost, goes the way of the former ones.
func (k Keyring) Beginning(held []string, next string) Keyring {
	if k.Seals == "" && len(held) > 0 {
		k.Seals = held[0]
	}
	former := append(slices.Clone(k.Former), held...)
	former = append(former, k.Seals, k.Next)
	k.Former, k.Next = without(former, append(slices.Clone(k.Ended), next, "")...), next
	return k
}

// Turned has the next key seal, which all members have.
func (k Keyring) Turned() Keyring {
	k.Seals, k.Next = k.Next, ""
	return k
}

// Finished ends the former keys, with which nothing is sealed any more.
func (k Keyring) Finished() Keyring {
	k.Ended, k.Former = without(append(slices.Clone(k.Ended), k.Former...), k.Seals), nil
	return k
}

// Missing are the keys that a member is to have beside those that it holds. While one
// is replaced each is to open all that is sealed with any.
func (k Keyring) Missing(held []string) []string {
	return without(append([]string{k.Seals, k.Next}, k.Former...), append(slices.Clone(held), "")...)
}

// Arranged is how a member's file is to have the keys that it holds: the one that
// seals first, and none that has ended. A member that has not got the one that seals
// forgets nothing.
func (k Keyring) Arranged(held []string) []string {
	if k.Seals == "" || !slices.Contains(held, k.Seals) {
		return held
	}
	return append([]string{k.Seals}, without(held, append(slices.Clone(k.Ended), k.Seals)...)...)
}

// without are the words that are none of some others, each once.
func without(words []string, others ...string) []string {
	var left []string
	for _, word := range words {
		if !slices.Contains(others, word) && !slices.Contains(left, word) {
			left = append(left, word)
		}
	}
	return left
}
