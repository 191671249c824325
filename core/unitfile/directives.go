package unitfile

import (
	_ "embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"argosy/core/cluster"
)

//go:embed directives.txt
var directivesText string

// directives are the keys that systemd knows, by section.
var directives = readDirectives(directivesText)

func readDirectives(text string) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	var section string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if line[0] == '#' {
			continue
		}
		if line[0] != ' ' {
			section, words = words[0], words[1:]
			all[section] = map[string]bool{}
		}
		for _, word := range words {
			if shared, is := all[word]; is && word[0] == '@' {
				maps.Copy(all[section], shared)
			} else {
				all[section][word] = true
			}
		}
	}
	maps.DeleteFunc(all, func(section string, _ map[string]bool) bool { return section[0] == '@' })
	return all
}

// ownSections are the sections that a unit of each type has beside [Unit] and
// [Install]. Of a Quadlet's own ones Podman knows the keys, and says so.
var ownSections = map[string][]string{
	".service": {"Service"}, ".socket": {"Socket"}, ".timer": {"Timer"}, ".path": {"Path"}, ".mount": {"Mount"},
	".automount": {"Automount"}, ".swap": {"Swap"}, ".slice": {"Slice"}, ".target": nil, ".device": nil,
	".container": {"Container", "Service", "Quadlet"}, ".kube": {"Kube", "Service", "Quadlet"},
	".volume": {"Volume", "Service", "Quadlet"}, ".network": {"Network", "Service", "Quadlet"},
	".pod": {"Pod", "Service", "Quadlet"}, ".image": {"Image", "Service", "Quadlet"},
}

// oddities collects what systemd would ignore in the file, telling of each
// section once.
type oddities struct {
	kind     string   // the unit's suffix
	sections []string // that it may have
	told     map[string]bool
}

// newOddities looks for those of the file called name. Where that is no unit's
// name, nothing is odd.
func newOddities(name string) oddities {
	kind := path.Ext(name)
	own, known := ownSections[kind]
	if !known {
		return oddities{}
	}
	return oddities{kind, append([]string{"Unit", "Install"}, own...), map[string]bool{}}
}

// about is what is odd about an option, "" for nothing. What begins with X- is
// for others to read, see systemd.unit(5).
func (o *oddities) about(option Option) string {
	section, name := option.Section, option.Name
	switch {
	case o.kind == "" || strings.HasPrefix(section, "X-") || strings.HasPrefix(name, "X-"):
		return ""
	case !slices.Contains(o.sections, section):
		return o.section(section)
	case directives[section] == nil || directives[section][name]:
		return ""
	}
	for _, other := range o.sections {
		if directives[other][name] {
			return fmt.Sprintf("[%s] has no %s= and systemd ignores it; it belongs into [%s]", section, name, other)
		}
	}
	return fmt.Sprintf("[%s] has no %q and systemd ignores it; did you mean %s=?", section, name,
		nearest(name, slices.Sorted(maps.Keys(directives[section]))))
}

func (o *oddities) section(section string) string {
	if o.told[section] {
		return ""
	}
	o.told[section] = true
	if directives[section] != nil || slices.Contains([]string{"Container", "Kube", "Volume", "Network", "Pod", "Image", "Quadlet"}, section) {
		return fmt.Sprintf("a %s file has no section [%s]: it is ignored", o.kind, section)
	}
	return fmt.Sprintf("there is no section [%s]: it is ignored; did you mean [%s]?", section, nearest(section, append(o.sections, FleetSection)))
}

// nearest is the candidate with the fewest letters to change.
func nearest(name string, candidates []string) string {
	best, least := "", 1<<30
	for _, candidate := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// Startable says why a unit of this name and file can run on no machine.
func (f *File) Startable(unit cluster.UnitName) error {
	switch unit.Suffix() {
	case ".scope":
		return fmt.Errorf("%s: systemd has no scopes of files: programs make them as they run; expected a .service or a .slice", unit)
	case ".snapshot", ".busname":
		return fmt.Errorf("%s: systemd has had no %s units for years; expected another type, such as .service", unit, unit.Suffix())
	}
	var faults faults
	for _, o := range f.options {
		if unit.Quadlet() && o.Name == "ServiceName" && slices.Contains(ownSections[unit.Suffix()], o.Section) && o.Section != "Service" {
			faults.add(f.fault(o.Line, fmt.Sprintf("ServiceName=%s would give the unit another name on its machine", quoted(o.Value)),
				fmt.Sprintf("no ServiceName=, for it to be %s", unit.Service())))
		}
	}
	return faults.err()
}
