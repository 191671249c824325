package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"argosy/core/cluster"
)

// Limits of what operators may say of one machine.
const (
	MostLabels        = 64
	MaxLabelKeyBytes  = 128
	MaxLabelTextBytes = 256 // of a value
)

// LabelsChange is the body of PATCH machines/ID/labels.
type LabelsChange struct {
	// Reset takes back all that operators have said before: fleet.conf counts again.
	Reset bool `json:"reset,omitempty"`
	// Set stands over what fleet.conf says.
	Set map[string]string `json:"set,omitempty"`
	// Remove are keys that the machine is not to have, also where its fleet.conf
	// says otherwise: that is then hidden.
	Remove []string `json:"remove,omitempty"`
	// DryRun changes nothing and answers what would be.
	DryRun bool `json:"dryRun,omitempty"`
}

// LabelsAnswer answers PATCH machines/ID/labels: the machine's labels as they are
// now, or with DryRun as they would be, and what comes of it.
type LabelsAnswer struct {
	Machine    cluster.MachineID `json:"machine"`
	Name       string            `json:"name,omitempty"`
	Away       bool              `json:"away,omitempty"` // not there now: kept for its arrival
	Revision   int64             `json:"revision,omitempty"`
	Changed    bool              `json:"changed"`
	DryRun     bool              `json:"dryRun,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`   // by which units find the machine
	Labels     map[string]string `json:"labels,omitempty"`     // what operators say; an empty value hides a key of fleet.conf
	Configured map[string]string `json:"configured,omitempty"` // what fleet.conf says
	// Consequences are the units that move, as told before the change.
	Consequences []Consequence `json:"consequences,omitempty"`
}

// Event is the change that the labels answered make to the facts.
func (a LabelsAnswer) Event() cluster.Event {
	if len(a.Labels) == 0 {
		return cluster.LabelsGone{Machine: a.Machine}
	}
	return cluster.LabelsChanged{Labels: cluster.Labels{Machine: a.Machine, Set: a.Labels}}
}

// Valid says what is wrong with the change, whatever is stored.
func (c LabelsChange) Valid() error {
	if !c.Reset && len(c.Set)+len(c.Remove) == 0 {
		return Invalid("a change of nothing", `expected "set", "remove" or "reset"`)
	}
	if n := len(c.Set) + len(c.Remove); n > 2*MostLabels {
		return Invalid(fmt.Sprintf("%d labels in one change", n), fmt.Sprintf("change at most %d at a time", 2*MostLabels))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Set)) {
		if err := checkLabel(key, c.Set[key]); err != nil {
			return err
		}
	}
	for _, key := range c.Remove {
		if err := checkLabelKey(key); err != nil {
			return err
		}
		if _, both := c.Set[key]; both {
			return Invalid(fmt.Sprintf("label %s is set and removed", key), "do one of them")
		}
	}
	return nil
}

// checkLabelKey takes the keys that fleet's own API takes.
func checkLabelKey(key string) error {
	odd := strings.IndexFunc(key, func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("_.-", c)
	})
	if key == "" || len(key) > MaxLabelKeyBytes || odd >= 0 {
		return Invalid(fmt.Sprintf("%q is no key of a label", shortened(key)),
			fmt.Sprintf("expected at most %d letters, digits and _.-", MaxLabelKeyBytes))
	}
	return nil
}

func checkLabel(key, value string) error {
	if err := checkLabelKey(key); err != nil {
		return err
	}
	printable := utf8.ValidString(value) && strings.IndexFunc(value, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
	switch {
	case value == "":
		return Invalid(fmt.Sprintf("label %s has no value", key), "remove it, or give it one")
	case len(value) > MaxLabelTextBytes || !printable || strings.TrimSpace(value) != value:
		return Invalid(fmt.Sprintf("label %s: %q is no value", key, shortened(value)),
			fmt.Sprintf("expected one line of at most %d printable bytes without blanks around it", MaxLabelTextBytes))
	}
	return nil
}

func shortened(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}

// Of returns what operators say of a machine after the change, and whether that
// differs. own is what its fleet.conf says; nil with away, where it is not known
// and may hold anything.
func (c LabelsChange) Of(said cluster.Labels, own map[string]string, away bool) (cluster.Labels, bool, error) {
	next := said
	next.Set = map[string]string{}
	if !c.Reset {
		maps.Copy(next.Set, said.Set)
	}
	maps.Copy(next.Set, c.Set)
	for _, key := range c.Remove {
		if _, hides := own[key]; hides || away {
			next.Set[key] = ""
		} else {
			delete(next.Set, key)
		}
	}
	if len(next.Set) > MostLabels {
		return said, false, Invalid(fmt.Sprintf("machine %s would have %d labels", said.Machine, len(next.Set)),
			fmt.Sprintf("at most %d are allowed: remove some", MostLabels))
	}
	return next, !maps.Equal(next.Set, said.Set), nil
}
