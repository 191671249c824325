package unitfile

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// maxWarnings keeps what is said of a file readable, and cheap to find.
const maxWarnings = 20

// Warnings says what in the file is allowed but hardly meant, each as
// "FILE:LINE: ...", up to a number of them.
func (f *File) Warnings() []string {
	var warnings []string
	warn := func(o Option, format string, args ...any) {
		if len(warnings) < maxWarnings {
			warnings = append(warnings, f.place(o.Line)+": "+fmt.Sprintf(format, args...))
		}
	}
	detached, fenced := !f.remains(), f.fenced()
	odd := newOddities(f.parts[0].name)
	for _, o := range f.options {
		if len(warnings) == maxWarnings {
			return append(warnings, f.parts[0].name+": and more; these come first")
		}
		key, known := fleetKeys[o.Name]
		if what := odd.about(o); what != "" {
			warn(o, "%s", what)
		}
		switch {
		case o.Section == FleetSection && !known:
			warn(o, "[%s] knows no %q and ignores it; did you mean %s?", FleetSection, o.Name, nearestKey(o.Name))
		case o.Section == FleetSection && o.Name == "X-ConditionMachineBootID":
			warn(o, "%s is taken as a machine's id, as in fleet; write MachineID=", o.Name)
		case o.Section == FleetSection && (key == "Conflicts" || key == "Replaces"):
			for _, word := range meansNothing(o.Value) {
				warn(o, "%s=%s means no unit: a unit's name ends in its type; did you mean %s.service?", o.Name, word, word)
			}
		case fenced && capped(o):
			warn(o, cappedWarning, o.Name, quoted(o.Value))
		case isLimit(o):
			if expected, unread := unreadLimit(o); unread {
				warn(o, "%s=%s cannot be read by systemd, so that it limits nothing and reserves nothing; expected %s", o.Name, quoted(o.Value), expected)
			}
		case o.Section == "Service" && o.Name == "ExecStart" && detached && detaches(o.Value):
			warn(o, "a container started with -d leaves its unit, which ends at once: systemd neither watches nor stops the container, "+
				"and when it dies nothing starts it again until the unit moves or is started anew; leave -d out")
		}
	}
	return warnings
}

// remains says whether the unit counts as active after its command has ended.
func (f *File) remains() bool {
	values := f.Values("Service", "RemainAfterExit")
	if len(values) == 0 {
		return false
	}
	truth, _ := parseTruth(values[len(values)-1].Value)
	return truth
}

// meansNothing returns the words that neither are a pattern nor name a unit.
func meansNothing(value string) []string {
	words, err := splitWords(value)
	if err != nil {
		return nil // Requirements refuses it
	}
	return slices.DeleteFunc(words, func(word string) bool {
		_, err := cluster.ParseUnitName(word)
		return err == nil || strings.ContainsAny(word, `*?[\%`) || strings.Contains(word, ".")
	})
}

// nearestKey is the key of today that a name in [X-Fleet] comes closest to.
func nearestKey(name string) string {
	return fleetKeys[nearest(name, slices.Sorted(maps.Keys(fleetKeys)))]
}

// editDistance is Levenshtein's. Long names are cut: no key is near them.
func editDistance(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// runFlagsAlone are docker's and podman's run options that take no value; all
// others take the next word unless they carry it after an "=".
var runFlagsAlone = map[string]bool{
	"--detach": true, "--init": true, "--interactive": true, "--no-healthcheck": true, "--oom-kill-disable": true,
	"--privileged": true, "--publish-all": true, "--quiet": true, "--read-only": true, "--replace": true,
	"--rm": true, "--sig-proxy": true, "--tty": true, "--disable-content-trust": true, "--help": true,
}

// detaches says whether a command line runs a container in the background,
// also through a shell.
func detaches(command string) bool {
	words := strings.Fields(strings.NewReplacer(`"`, " ", `'`, " ").Replace(command))
	for i, word := range words {
		if base := path.Base(strings.TrimLeft(word, "-@+!:|")); base != "docker" && base != "podman" {
			continue
		}
		if run := afterRun(words[i+1:]); runDetaches(run) {
			return true
		}
	}
	return false
}

// afterRun returns what follows "run" or "container run", nothing for another
// command. Options of docker itself may come before, with their values.
func afterRun(words []string) []string {
	for i, word := range words {
		flag := strings.HasPrefix(word, "-")
		valued := i > 0 && strings.HasPrefix(words[i-1], "-")
		switch {
		case word == "run":
			return words[i+1:]
		case !flag && !valued && word != "container":
			return nil
		}
	}
	return nil
}

// runDetaches looks for -d among the options of "run", which end at the image.
func runDetaches(words []string) bool {
	for i := 0; i < len(words); i++ {
		word := words[i]
		name, value, carries := strings.Cut(word, "=")
		switch {
		case !strings.HasPrefix(word, "-") || word == "--":
			return false
		case name == "--detach":
			truth, ok := parseTruth(value)
			return !carries || !ok || truth
		case strings.HasPrefix(word, "--"):
			if !carries && !runFlagsAlone[name] {
				i++
			}
		default:
			detach, takesNext := shortRunFlags(word[1:])
			if detach {
				return true
			}
			if takesNext {
				i++
			}
		}
	}
	return false
}

// shortRunFlags reads a group such as -dit; the first letter that takes a value
// ends it, with the value behind it or in the next word.
func shortRunFlags(letters string) (detach, takesNext bool) {
	for i := range len(letters) {
		switch letters[i] {
		case 'd':
			return true, false
		case 'i', 't', 'P', 'q':
		default:
			return false, i == len(letters)-1
		}
	}
	return false, false
}
