package laws

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// Wish is what a unit asks for. Whoever submits a unit draws a wish and makes its
// text from it, so that no parser stands between the two.
type Wish struct {
	Machine   string             // the first eight characters of an id
	With      []cluster.UnitName // must be on the same machine
	Metadata  map[string]string  // that the machine must have
	Unlike    map[string]string  // and that it must not have
	Conflicts []string
	Replaces  []string
	Global    bool
	Memory    int64 // GiB
	GPUs      int64
	Most      int  // of its template's instances on one machine
	Fenced    bool // it is to run once at most
	// Service are lines of [Service], which the laws pass over.
	Service []string
}

// Text is a unit's text that asks for just this.
func (w Wish) Text() string {
	lines := append([]string{"[Service]"}, w.Service...)
	lines = append(lines, "[X-Fleet]")
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if w.Machine != "" {
		add("MachineID=%s", w.Machine)
	}
	for _, peer := range w.With {
		add("MachineOf=%s", peer)
	}
	for _, key := range slices.Sorted(maps.Keys(w.Metadata)) {
		add("MachineMetadata=%s=%s", key, w.Metadata[key])
	}
	for _, key := range slices.Sorted(maps.Keys(w.Unlike)) {
		add("MachineMetadata=%s!=%s", key, w.Unlike[key])
	}
	if len(w.Conflicts) > 0 {
		add("Conflicts=%s", strings.Join(w.Conflicts, " "))
	}
	if len(w.Replaces) > 0 {
		add("Replaces=%s", strings.Join(w.Replaces, " "))
	}
	if w.Global {
		add("Global=true")
	}
	if w.Memory > 0 {
		add("Reserve=memory=%dG", w.Memory)
	}
	if w.GPUs > 0 {
		add("Reserve=gpu=%d", w.GPUs)
	}
	if w.Most > 0 {
		add("MaxPerMachine=%d", w.Most)
	}
	if w.Fenced {
		add("OnPartition=stop")
	}
	return strings.Join(lines, "\n") + "\n"
}

// avoids says whether the wish keeps its unit off the machine of another.
func (w Wish) avoids(other cluster.UnitName) bool {
	return meansAny(w.Conflicts, other) || meansAny(w.Replaces, other)
}

func meansAny(globs []string, unit cluster.UnitName) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		means, _ := path.Match(glob, string(unit))
		return means
	})
}

// template is what stands before the @ of an instance's name; empty for others.
func template(unit cluster.UnitName) string {
	prefix, _, is := strings.Cut(string(unit), "@")
	if !is {
		return ""
	}
	return prefix
}
