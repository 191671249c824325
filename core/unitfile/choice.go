package unitfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SpreadMachine is the word of Spread= that stands for each machine by itself.
// No key of metadata of that name can be spread over.
const SpreadMachine = "machine"

// Preference is a wish: machines that meet it are taken first, those that meet
// more weight before the others.
type Preference struct {
	Metadata // of one value
	Weight   int
}

// String is the preference as Prefer= takes it.
func (p Preference) String() string { return fmt.Sprintf("%s %d", p.Metadata, p.Weight) }

// Limits that keep choosing among machines cheap.
const (
	maxWeight      = 100
	maxPreferences = 16
	maxSpread      = 4
)

// plainUnit says that the unit is no instance, nor a template of any.
func (r *requirementsReader) plainUnit() bool {
	return r.unit.Instance() == "" && !r.unit.IsTemplate()
}

// spread takes in one key of Spread=.
func (r *requirementsReader) spread(value string, o Option) bool {
	switch {
	case strings.ContainsAny(value, "=!"):
		r.unread(value, o, "keys of machines' metadata such as region, or machine")
	case r.plainUnit():
		r.refuse(o, fmt.Sprintf("%s=%s spreads the instances of a template, and %s is none", o.Name, quoted(value), r.unit), instanceExpected)
	case len(r.found.Spread) == maxSpread && !slices.Contains(r.found.Spread, value):
		r.refuse(o, fmt.Sprintf("%s=%s is one key too many", o.Name, quoted(value)), fmt.Sprintf("at most %d", maxSpread))
	default:
		r.found.Spread = appendNew(r.found.Spread, value)
		return true
	}
	return false
}

const instanceExpected = "a name such as web@1.service"

// maxPerMachine takes in a limit; the last one holds.
func (r *requirementsReader) maxPerMachine(value string, o Option) bool {
	n, err := strconv.ParseUint(value, 10, 31)
	switch {
	case err != nil || n == 0:
		r.unread(value, o, "a whole number from 1")
	case r.plainUnit():
		r.refuse(o, fmt.Sprintf("%s=%s limits the instances of a template, and %s is none", o.Name, quoted(value), r.unit), instanceExpected)
	default:
		r.found.MaxPerMachine = int(n)
		return true
	}
	return false
}

const expectedPreference = "KEY=VALUE or KEY!=VALUE and its weight from 1 to 100, such as disk=ssd 10"

// weights joins each preference with the weight that follows it, which is 1 where
// none does, so that one word has all of it: WEIGHT, a new line, which no value
// has in it, and KEY=VALUE.
func (r *requirementsReader) weights(words []string, o Option) []string {
	var joined []string
	for i, word := range words {
		switch {
		case strings.Contains(word, "="):
			joined = append(joined, "1\n"+word)
		case i > 0 && strings.Contains(words[i-1], "="):
			joined[len(joined)-1] = word + "\n" + words[i-1]
		default:
			r.unread(word, o, expectedPreference)
		}
	}
	return joined
}

// prefer takes in what weights has joined. The last weight of a preference holds.
func (r *requirementsReader) prefer(value string, o Option) bool {
	number, wish, _ := strings.Cut(value, "\n")
	weight, err := strconv.ParseUint(number, 10, 31)
	key, wanted, not, ok := cutMetadata(wish)
	if err != nil || weight < 1 || weight > maxWeight || !ok {
		r.unread(wish+" "+number, o, expectedPreference)
		return false
	}
	preference := Preference{Metadata{Key: key, Values: []string{wanted}, Not: not}, int(weight)}
	for i, p := range r.found.Prefer {
		if p.Key == key && p.Values[0] == wanted && p.Not == not {
			r.found.Prefer[i] = preference
			return true
		}
	}
	if len(r.found.Prefer) == maxPreferences {
		r.refuse(o, fmt.Sprintf("%s=%s is one preference too many", o.Name, quoted(wish)), fmt.Sprintf("at most %d", maxPreferences))
		return false
	}
	r.found.Prefer = append(r.found.Prefer, preference)
	return true
}

// metadataContradictions refuses what no machine can meet, and what no machine
// that fits can meet.
func (r *requirementsReader) metadataContradictions() {
	for _, want := range r.found.Metadata {
		for _, value := range want.Values {
			if !want.Not && r.excludes(want.Key, value) {
				r.refuse(Option{Line: r.first["MachineMetadata"]},
					fmt.Sprintf("MachineMetadata= asks for %s=%s and keeps away from it", want.Key, value), "one of the two")
			}
		}
	}
	for _, p := range r.found.Prefer {
		if reason := r.neverMet(p.Metadata); reason != "" {
			r.refuse(Option{Line: r.first["Prefer"]}, fmt.Sprintf("Prefer=%s can never be met: MachineMetadata= %s", p, reason), "one of the two")
		}
	}
}

// excludes says that MachineMetadata= has KEY!=VALUE.
func (r *requirementsReader) excludes(key, value string) bool {
	return slices.ContainsFunc(r.found.Metadata, func(m Metadata) bool {
		return m.Not && m.Key == key && slices.Contains(m.Values, value)
	})
}

// neverMet says what of MachineMetadata= leaves only machines that do not meet a
// wish, or nothing.
func (r *requirementsReader) neverMet(wish Metadata) string {
	if !wish.Not && r.excludes(wish.Key, wish.Values[0]) {
		return "keeps away from it"
	}
	for _, want := range r.found.Metadata {
		if want.Key == wish.Key && !want.Not && !slices.ContainsFunc(want.Values, func(value string) bool {
			return wish.Met(map[string]string{wish.Key: value})
		}) {
			return "asks for " + want.String()
		}
	}
	return ""
}
