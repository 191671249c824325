package api

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Secret is a secret as shown: everything but its values.
type Secret struct {
	Name    cluster.SecretName `json:"name"`
	Version int64              `json:"version"` // that is given to units that start
	By      string             `json:"by,omitempty"`
	At      time.Time          `json:"at"`
	// Kept are the versions that may be gone back to, ascending, Version last.
	Kept []int64 `json:"kept"`
	// Keys are the ids of the keys that the kept versions are sealed with.
	Keys []string `json:"keys"`
	// Units are patterns of units that may ask for it; any may where there are none.
	Units []string    `json:"units,omitempty"`
	Used  []SecretUse `json:"used,omitempty"` // sorted by unit, then machine
}

// SecretUse is a unit that asks for a secret, on one machine or on none.
type SecretUse struct {
	Unit    cluster.UnitName  `json:"unit"`
	Desired cluster.Desired   `json:"desired"`
	Machine cluster.MachineID `json:"machine,omitempty"`
	// Version is what the unit was given there when it was last started; 0 for none.
	Version int64 `json:"version,omitempty"`
}

// Secrets answers GET secrets, sorted by name.
type Secrets struct {
	Freshness
	Secrets []Secret `json:"secrets"`
}

// SecretChange is the body of PUT secrets/NAME.
type SecretChange struct {
	// Value is the new value, in base64.
	Value []byte `json:"value,omitempty"`
	// From takes the value of a kept version instead. That of the latest one makes no
	// new version, but seals all with the members' key of today.
	From int64 `json:"from,omitempty"`
	// Units says for which units the secret is; absent to keep what is said, empty
	// for any.
	Units *[]string `json:"units,omitempty"`
}

// SecretWritten answers PUT and DELETE secrets/NAME.
type SecretWritten struct {
	Name    cluster.SecretName `json:"name"`
	Version int64              `json:"version,omitempty"` // that is given out now
	Created bool               `json:"created,omitempty"`
	Changed bool               `json:"changed"` // false: it was so already, nothing was written
	// Used are the units that ask for it.
	Used []SecretUse `json:"used,omitempty"`
}

// SecretValue answers GET secrets/NAME, which machines alone may ask.
type SecretValue struct {
	Version int64  `json:"version"`
	Value   []byte `json:"value"`
}

// Keys answers GET keys, which members alone may ask.
type Keys struct {
	// Held are the ids of the keys for secrets that the member has, in the order of its
	// file.
	Held []string `json:"held"`
	// Line is the key that was asked for, as in the file.
	Line string `json:"line,omitempty"`
}

// mostSecretUnits bounds the patterns that one secret is limited by.
const mostSecretUnits = 100

// Valid says what is wrong with the change, whatever is stored.
func (c SecretChange) Valid() error {
	switch {
	case c.From < 0:
		return Invalid(fmt.Sprintf("from is %d", c.From), "expected the number of a kept version")
	case c.From > 0 && len(c.Value) > 0:
		return Invalid("a value and from", "give one of them")
	case c.From == 0 && len(c.Value) == 0 && c.Units == nil:
		return Invalid("the value is empty", "give one: fleetctl secret set NAME < FILE")
	case len(c.Value) > cluster.MaxSecretBytes:
		return Invalid(fmt.Sprintf("the value has %d bytes", len(c.Value)), fmt.Sprintf("at most %d are allowed", cluster.MaxSecretBytes))
	case c.Units == nil:
		return nil
	case len(*c.Units) > mostSecretUnits:
		return Invalid(fmt.Sprintf("%d patterns of units", len(*c.Units)), fmt.Sprintf("give at most %d", mostSecretUnits))
	}
	for _, pattern := range *c.Units {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" || len(pattern) > cluster.MaxUnitNameBytes {
			return Invalid(fmt.Sprintf("%q is no pattern of units", shortened(pattern)), "expected one such as web@*.service")
		}
	}
	return nil
}

// ShownSecret is a stored secret as shown, with those who use it.
func ShownSecret(s cluster.Secret, used []SecretUse) Secret {
	latest := s.Latest()
	shown := Secret{Name: s.Name, Version: latest.Version, By: latest.By, At: latest.At, Units: s.Units, Used: used}
	for _, v := range s.Versions {
		shown.Kept = append(shown.Kept, v.Version)
		if !slices.Contains(shown.Keys, v.Sealed.Key) {
			shown.Keys = append(shown.Keys, v.Sealed.Key)
		}
	}
	return shown
}

// SecretUses tells of each secret which units ask for it. It reads all units; their
// texts are parsed only where they speak of secrets.
func (v *View) SecretUses() map[cluster.SecretName][]SecretUse {
	speaks := map[cluster.Hash]string{}
	for hash, c := range v.contents {
		if strings.Contains(c.text, "Secret") {
			speaks[hash] = c.text
		}
	}
	uses := map[cluster.SecretName][]SecretUse{}
	if len(speaks) == 0 {
		return uses
	}
	for _, name := range v.ordered() {
		r := v.units[name]
		if r.unit == nil || name.IsTemplate() {
			continue
		}
		text, asks := speaks[r.unit.Hash]
		if !asks {
			continue
		}
		said := map[cluster.SecretName]bool{}
		for _, s := range unitfile.SecretsOf(name, text) {
			if !said[s.Name] {
				said[s.Name] = true
				uses[s.Name] = append(uses[s.Name], r.uses(s.Name)...)
			}
		}
	}
	return uses
}

// uses are the machines where the unit of a record has a secret, or one use without.
func (r *record) uses(secret cluster.SecretName) []SecretUse {
	var uses []SecretUse
	for _, state := range r.states {
		uses = append(uses, SecretUse{Unit: r.unit.Name, Desired: r.unit.Desired, Machine: state.Machine, Version: state.Secrets.Of(secret)})
	}
	if len(uses) == 0 {
		uses = []SecretUse{{Unit: r.unit.Name, Desired: r.unit.Desired}}
	}
	return uses
}
