package unitfile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// FleetSection is the section that systemd ignores and the cluster reads.
const FleetSection = "X-Fleet"

// Requirements is what a unit asks of the machine that it is to run on.
type Requirements struct {
	// MachineID is a machine's id or its first eight characters, which fleet
	// accepts as well; empty where any machine will do.
	MachineID string
	// MachineOf are the units whose machine this one must share.
	MachineOf []cluster.UnitName
	// Metadata must all be met.
	Metadata []Metadata
	// Conflicts and Replaces are globs of path.Match over unit names.
	Conflicts []string
	Replaces  []string
	// Global asks for one on every machine that Metadata allows.
	Global bool
	// Reserve is what the unit takes of its machine.
	Reserve Reserve
	// Spread are keys of machines' metadata over whose values the instances of
	// the unit's template are balanced, the first key first; SpreadMachine stands
	// for each machine by itself.
	Spread []string
	// MaxPerMachine is how many instances of the template one machine may have;
	// 0 where there is no limit.
	MaxPerMachine int
	// Prefer are wishes that add to a machine's score where they are met.
	Prefer []Preference
	// Fenced (OnPartition=stop) asks for the unit on one machine at most at any
	// time: its machine ends it when it is out of touch with the cluster.
	Fenced bool
	// Priority orders units where not all can have what they wait for: the higher
	// comes first; 0 where the text does not say.
	Priority int
	// Restart is when systemd starts the unit again by itself.
	Restart Restart
	// Secrets are what the unit is given of the cluster's secrets, by credential.
	Secrets []Secret
	// Podman is the least version that can run the unit; empty where it needs none.
	Podman string
}

// Metadata is one key of a machine's metadata and the values that will do, or
// with Not those that will not. A machine without the key has none of them.
type Metadata struct {
	Key    string
	Values []string
	Not    bool
}

// String is the requirement in a person's words: "region=eu or region=us",
// "region!=eu and region!=us".
func (m Metadata) String() string {
	if m.Not {
		return m.Key + "!=" + strings.Join(m.Values, " and "+m.Key+"!=")
	}
	return m.Key + "=" + strings.Join(m.Values, " or "+m.Key+"=")
}

// Met says whether a machine with this metadata is what is asked for.
func (m Metadata) Met(machine map[string]string) bool {
	value, has := machine[m.Key]
	return m.Not != (has && slices.Contains(m.Values, value))
}

// maxWords bounds what one key of [X-Fleet] may list, and with it what looking at
// one unit costs.
const maxWords = 1000

// fleetKeys maps each spelling, fleet's older ones too, to the key it means.
var fleetKeys = map[string]string{
	"MachineID": "MachineID", "X-ConditionMachineID": "MachineID", "X-ConditionMachineBootID": "MachineID",
	"MachineOf": "MachineOf", "X-ConditionMachineOf": "MachineOf",
	"MachineMetadata": "MachineMetadata", "X-ConditionMachineMetadata": "MachineMetadata",
	"Conflicts": "Conflicts", "X-Conflicts": "Conflicts",
	"Replaces": "Replaces",
	"Global":   "Global",
	"Reserve":  "Reserve", "Spread": "Spread", "MaxPerMachine": "MaxPerMachine", "Prefer": "Prefer", "Priority": "Priority",
	"OnPartition": "OnPartition",
	"Secret":      "Secret",
}

// DependsOnName says whether the requirements of two units with this file may
// differ: its [X-Fleet] section holds a specifier or names a peer, which must not
// be the unit itself.
func (f *File) DependsOnName() bool {
	return slices.ContainsFunc(f.options, func(o Option) bool {
		return o.Section == FleetSection &&
			(fleetKeys[o.Name] == "MachineOf" || strings.Contains(o.Value, "%"))
	})
}

// Requirements reads the [X-Fleet] section for a unit of this name. For a
// template, values that hang on the instance are left to its instances to check.
func (f *File) Requirements(unit cluster.UnitName) (Requirements, error) {
	r := requirementsReader{file: f, unit: unit, first: map[string]int{}, words: map[string]int{}}
	r.found.Podman = podman(unit)
	for _, o := range f.options {
		if key, known := fleetKeys[o.Name]; known && o.Section == FleetSection {
			r.option(key, o)
		}
	}
	r.reserveLimits()
	r.restart()
	r.combinations()
	r.fenceable()
	r.credible()
	if err := r.faults.err(); err != nil {
		return Requirements{}, err
	}
	return r.found, nil
}

type requirementsReader struct {
	file   *File
	unit   cluster.UnitName
	found  Requirements
	first  map[string]int  // where each key was first put to use
	words  map[string]int  // how many each key has
	said   map[string]bool // the kinds that Reserve= speaks of
	faults faults
}

func (r *requirementsReader) refuse(o Option, wrong, expected string) {
	r.faults.add(r.file.fault(o.Line, wrong, expected))
}

// option takes in one assignment of a known key.
func (r *requirementsReader) option(key string, o Option) {
	if o.Value == "" {
		r.reset(key)
		return
	}
	words, err := splitWords(o.Value)
	if err != nil {
		r.refuse(o, fmt.Sprintf("%s=%s: %v", o.Name, quoted(o.Value), err), "every quote closed")
		return
	}
	if key == "Prefer" {
		words = r.weights(words, o)
	}
	if r.words[key] += len(words); r.words[key] > maxWords {
		r.refuse(o, fmt.Sprintf("%s= has %d words so far", o.Name, r.words[key]), fmt.Sprintf("at most %d in all; a pattern such as web@*.service means many units", maxWords))
		return
	}
	for _, word := range words {
		value, err := expand(word, r.unit)
		if err != nil {
			r.refuse(o, fmt.Sprintf("%s=%s: %v", o.Name, quoted(o.Value), err), knownSpecifiers)
			continue
		}
		if r.unit.IsTemplate() && value != strings.ReplaceAll(word, "%%", "%") {
			r.given(key, o) // the rest is for an instance's name to decide
			continue
		}
		if r.word(key, value, o) {
			r.given(key, o)
		}
	}
}

// given remembers where a key was first put to use.
func (r *requirementsReader) given(key string, o Option) {
	if _, already := r.first[key]; !already {
		r.first[key] = o.Line
	}
}

// reset is what an empty assignment does: it takes back those before it.
func (r *requirementsReader) reset(key string) {
	delete(r.first, key)
	delete(r.words, key)
	switch key {
	case "MachineID":
		r.found.MachineID = ""
	case "MachineOf":
		r.found.MachineOf = nil
	case "MachineMetadata":
		r.found.Metadata = nil
	case "Conflicts":
		r.found.Conflicts = nil
	case "Replaces":
		r.found.Replaces = nil
	case "Global":
		r.found.Global = false
	case "Reserve":
		r.found.Reserve, r.said = Reserve{}, nil
	case "Spread":
		r.found.Spread = nil
	case "MaxPerMachine":
		r.found.MaxPerMachine = 0
	case "Prefer":
		r.found.Prefer = nil
	case "Priority":
		r.found.Priority = 0
	case "OnPartition":
		r.found.Fenced = false
	case "Secret":
		r.found.Secrets = nil
	}
}

// word takes in one value and says whether it could be read.
func (r *requirementsReader) word(key, value string, o Option) bool {
	expected := ""
	switch key {
	case "MachineID":
		return r.machineID(value, o)
	case "MachineOf":
		return r.peer(value, o)
	case "MachineMetadata":
		if key, value, not, ok := cutMetadata(value); ok {
			r.metadata(key, value, not)
			return true
		}
		expected = `KEY=VALUE or KEY!=VALUE, or several as "KEY=VALUE" "KEY=VALUE"`
	case "Conflicts":
		if isGlob(value) {
			r.found.Conflicts = appendNew(r.found.Conflicts, value)
			return true
		}
		expected = expectedGlob
	case "Replaces":
		if isGlob(value) {
			r.found.Replaces = appendNew(r.found.Replaces, value)
			return true
		}
		expected = expectedGlob
	case "Global":
		if truth, ok := parseTruth(value); ok {
			r.found.Global = truth // the last one holds, as in fleet
			return true
		}
		expected = "true, yes, 1, on or t, or false, no, 0, off or f"
	case "OnPartition":
		if value == "stop" || value == "keep" {
			r.found.Fenced = value == "stop" // the last one holds
			return true
		}
		expected = "stop or keep"
	case "Reserve":
		return r.reserve(value, o)
	case "Spread":
		return r.spread(value, o)
	case "MaxPerMachine":
		return r.maxPerMachine(value, o)
	case "Prefer":
		return r.prefer(value, o)
	case "Priority":
		return r.priority(value, o)
	case "Secret":
		return r.secret(value, o)
	}
	r.unread(value, o, expected)
	return false
}

func (r *requirementsReader) unread(value string, o Option, expected string) {
	r.refuse(o, fmt.Sprintf("%s=%s cannot be read", o.Name, quoted(value)), expected)
}

func (r *requirementsReader) machineID(value string, o Option) bool {
	switch {
	case !isMachineID(value):
		r.unread(value, o, "a machine's id (32 hexadecimal digits, lower case, see /etc/machine-id) or its first 8")
	case r.found.MachineID != "" && r.found.MachineID != value:
		r.refuse(o, fmt.Sprintf("%s=%s, but %s asks for another machine", o.Name, quoted(value), r.file.place(r.first["MachineID"])), "one machine")
	default:
		r.found.MachineID = value
		return true
	}
	return false
}

func (r *requirementsReader) peer(value string, o Option) bool {
	peer, err := cluster.ParseUnitName(value)
	switch {
	case err != nil || peer.IsTemplate():
		r.unread(value, o, "a unit's full name such as db.service")
		return false
	case peer == r.unit:
		r.refuse(o, fmt.Sprintf("%s=%s names the unit itself", o.Name, quoted(value)), "another unit")
		return false
	case !slices.Contains(r.found.MachineOf, peer):
		r.found.MachineOf = append(r.found.MachineOf, peer)
	}
	return true
}

const expectedGlob = "a pattern of *, ? and [a-z] with every bracket closed, such as web@*.service"

func isGlob(pattern string) bool {
	_, err := path.Match(pattern, "")
	return err == nil && pattern != ""
}

// cutMetadata reads KEY=VALUE or KEY!=VALUE.
func cutMetadata(word string) (key, value string, not, ok bool) {
	key, value, _ = strings.Cut(word, "=")
	key, not = strings.CutSuffix(key, "!")
	return key, value, not, key != "" && value != ""
}

func (r *requirementsReader) metadata(key, value string, not bool) {
	for i := range r.found.Metadata {
		if m := &r.found.Metadata[i]; m.Key == key && m.Not == not {
			m.Values = appendNew(m.Values, value)
			return
		}
	}
	r.found.Metadata = append(r.found.Metadata, Metadata{Key: key, Values: []string{value}, Not: not})
}

func appendNew(list []string, value string) []string {
	if slices.Contains(list, value) {
		return list
	}
	return append(list, value)
}

// isMachineID accepts a whole id or the eight characters that tables show.
func isMachineID(s string) bool {
	return (len(s) == 32 || len(s) == 8) && strings.Trim(s, "0123456789abcdef") == ""
}

// parseTruth reads fleet's spellings of true and, where fleet took everything
// else for false, those of false.
func parseTruth(s string) (truth, ok bool) {
	switch strings.ToLower(s) {
	case "true", "yes", "1", "on", "t":
		return true, true
	case "false", "no", "0", "off", "f":
		return false, true
	}
	return false, false
}

// together lists the keys that one file may not have: those that fleet refused,
// and words that choose among machines where there is nothing to choose.
var together = [][2]string{
	{"MachineID", "MachineOf"}, {"MachineID", "Conflicts"}, {"MachineID", "Global"}, {"MachineID", "Replaces"},
	{"Global", "MachineOf"}, {"Global", "Replaces"}, {"Conflicts", "Replaces"},
	{"MachineID", "Spread"}, {"MachineID", "Prefer"},
	{"Global", "Spread"}, {"Global", "Prefer"}, {"Global", "MaxPerMachine"},
	{"Global", "OnPartition"},
}

// combinations refuses what cannot be asked for together.
func (r *requirementsReader) combinations() {
	if !r.found.Global {
		delete(r.first, "Global")
	}
	if !r.found.Fenced {
		delete(r.first, "OnPartition")
	}
	for _, pair := range together {
		a, b := r.first[pair[0]], r.first[pair[1]]
		if a != 0 && b != 0 {
			r.refuse(Option{Line: max(a, b)}, fmt.Sprintf("%s= and %s= cannot stand together", pair[0], pair[1]), "one of them")
		}
	}
	r.metadataContradictions()
	for _, peer := range r.found.MachineOf {
		for _, pattern := range slices.Concat(r.found.Conflicts, r.found.Replaces) {
			if Matches(pattern, peer) {
				r.refuse(Option{Line: r.first["MachineOf"]},
					fmt.Sprintf("MachineOf=%s is also matched by %q, which keeps it away", peer, pattern), "one of the two")
			}
		}
	}
}

// Matches says whether a glob of Conflicts or Replaces means the unit. A
// pattern that is the unit's name to the letter always does: path.Match alone
// would read the backslashes of systemd's escaping as its own.
func Matches(pattern string, unit cluster.UnitName) bool {
	if pattern == string(unit) {
		return true
	}
	ok, err := path.Match(pattern, string(unit))
	return err == nil && ok
}
