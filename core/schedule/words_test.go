package schedule_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// words is what a wish says in the words that fleet did not have.
type words struct {
	unlike map[string]string // metadata that the machine must not have
	memory int64             // in GiB
	limit  bool              // the memory is asked for by MemoryMax= alone
	gpus   int64
	most   int // instances of the template on one machine
	spread []string
	prefer map[string]int // KEY=VALUE to weight
}

func (w words) lines() []string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(w.unlike)) {
		lines = append(lines, "MachineMetadata="+key+"!="+w.unlike[key])
	}
	for _, pair := range slices.Sorted(maps.Keys(w.prefer)) {
		lines = append(lines, fmt.Sprintf("Prefer=%s %d", pair, w.prefer[pair]))
	}
	if len(w.spread) > 0 {
		lines = append(lines, "Spread="+strings.Join(w.spread, " "))
	}
	if w.most > 0 {
		lines = append(lines, fmt.Sprintf("MaxPerMachine=%d", w.most))
	}
	if w.gpus > 0 {
		lines = append(lines, fmt.Sprintf("Reserve=gpu=%d", w.gpus))
	}
	switch {
	case w.memory > 0 && w.limit:
		lines = append(lines, "[Service]", fmt.Sprintf("MemoryMax=%dG", w.memory))
	case w.memory > 0:
		lines = append(lines, fmt.Sprintf("Reserve=memory=%dG", w.memory))
	}
	return lines
}

// TestWords is TestLaws with few units that ask for what few machines have, one
// word or another most of the time.
//
// Planted once, and caught here, by TestLaws or by the scenarios: what is pending not counted, or
// what is ending counted as gone; a text's room not counted anew when the text
// changes; the sets of free room not raised, not lowered, kept though a machine
// left or the numbers changed; a unit that waits not tried when room comes free,
// when a sibling leaves or changes its mind; a renewal that does not fit, or does not wait for
// what must give way, or is not asked for again; what runs moved because its
// machine shrank or lost its Podman; a limit that holds one way only, or not for
// what is placed already; instances counted on lost machines, by old labels, or
// not at all; a rack counted over all regions; preferences after Spread=, or cut
// too early; versions compared as text; a text's requirements shared by units of
// two types.
func TestWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, scarceNames, drawScarce)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "one at a time") > 0 {
				h.step()
				continue
			}
			h.rest()
			name := rapid.SampledFrom(scarceNames).Draw(t, "unit")
			h.put(name, drawScarce(t, name), cluster.Launched)
			h.inform(h.picture)
			h.planAndCommit()
		}
		h.rest()
	})
}

var scarceNames = []cluster.UnitName{"w@1.service", "w@2.service", "w@3.service", "w@4.service", "a.service", "c.container"}

// drawScarce draws a wish of one flavour.
func drawScarce(t *rapid.T, name cluster.UnitName) (w wish) {
	instance := name.Instance() != ""
	switch flavour := rapid.SampledFrom([]string{"room", "room", "limit", "spread", "spread", "prefer", "conflict", "any"}).Draw(t, "flavour"); {
	case flavour == "room":
		w.memory = rapid.Int64Range(0, 3).Draw(t, "memory")
	case flavour == "limit" && instance:
		w.most = rapid.IntRange(0, 2).Draw(t, "most")
	case flavour == "spread" && instance:
		w.spread = rapid.SampledFrom([][]string{{"region"}, {"region", "disk"}, {"machine"}}).Draw(t, "spread")
	case flavour == "prefer":
		w.prefer = map[string]int{"disk=x": rapid.IntRange(1, 3).Draw(t, "weight"), "region=y": 2, "disk=y": 1}
		if instance && rapid.Bool().Draw(t, "and spread") {
			w.spread = []string{"region"}
		}
	case flavour == "conflict":
		w.conflicts = []string{"a.service"}
	case flavour == "any":
		w.words = drawWords(t, name, w)
	}
	return w
}

// account splits the words that a test says of a machine into its metadata, what
// it has (memory=4G, cpus=2, gpu=1) and its Podman (podman=4.9.3).
func account(said map[string]string) (metadata map[string]string, has cluster.Capacity, versions map[string]string) {
	metadata = map[string]string{}
	for key, value := range said {
		number, err := strconv.ParseInt(strings.TrimSuffix(value, "G"), 10, 64)
		switch {
		case key == "podman":
			versions = map[string]string{"podman": value}
		case key == "memory" && err == nil:
			has.MemoryBytes = number << 30
		case key == "cpus" && err == nil:
			has.CPUs = int(number)
		case key == "gpu" && err == nil:
			has.Other = map[string]int64{"gpu": number}
		default:
			metadata[key] = value
		}
	}
	return metadata, has, versions
}

func drawMachine(t *rapid.T) map[string]string {
	said := drawMetadata(t)
	said["memory"] = rapid.SampledFrom([]string{"0G", "1G", "3G", "4G"}).Draw(t, "memory")
	said["gpu"] = rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "gpu")
	said["podman"] = rapid.SampledFrom([]string{"", "4.3.1", "4.4.0", "10.0"}).Draw(t, "podman")
	return said
}

// drawWords draws what may stand beside what a wish says already.
func drawWords(t *rapid.T, name cluster.UnitName, w wish) (drawn words) {
	if rapid.Bool().Draw(t, "no new words") {
		return drawn
	}
	drawn.memory = rapid.SampledFrom([]int64{0, 0, 1, 2, 3}).Draw(t, "memory")
	drawn.limit = rapid.Bool().Draw(t, "by its limit")
	drawn.gpus = rapid.SampledFrom([]int64{0, 0, 1, 2}).Draw(t, "gpus")
	if rapid.Bool().Draw(t, "unlike") {
		drawn.unlike = drawMetadata(t)
		maps.DeleteFunc(drawn.unlike, func(key, value string) bool { return w.metadata[key] == value })
	}
	if w.global || w.machine != "" {
		return drawn
	}
	if rapid.Bool().Draw(t, "prefers") {
		drawn.prefer = map[string]int{}
		wished := drawMetadata(t)
		for _, key := range slices.Sorted(maps.Keys(wished)) {
			if value := wished[key]; w.metadata[key] == "" && drawn.unlike[key] != value {
				drawn.prefer[key+"="+value] = rapid.IntRange(1, 3).Draw(t, "weight")
			}
		}
	}
	if name.Instance() != "" {
		drawn.spread = rapid.SampledFrom([][]string{nil, {"region"}, {"machine"}, {"region", "disk"}, {"disk", "machine"}}).Draw(t, "spread")
		drawn.most = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "most")
	}
	return drawn
}

// wordsObjection says what keeps unit from being placed on a live machine: too
// much of its template there, no room, no Podman.
func (j judge) wordsObjection(unit cluster.UnitName, on cluster.MachineID) string {
	everything := func(place) bool { return true }
	return cmp.Or(j.noPodman(unit, on), j.tooMany(unit, on, everything), j.short(unit, on, everything))
}

// mustGo says why unit may not stay on a machine. What runs stays though its
// machine has less than it had; a new text must fit. Of too many the younger go.
func (j judge) mustGo(unit cluster.UnitName, on cluster.MachineID) string {
	at := place{on, unit}
	if _, live := j.machines[on]; !live {
		if j.answering[on] && !j.wish(unit).fenced {
			return j.awayFromPeers(unit, on)
		}
		return "the machine is lost"
	}
	if why := cmp.Or(j.elsewhere(unit, on), j.conflict(unit, on), j.tooMany(unit, on, func(other place) bool {
		return j.wanted(other.unit) && (j.current(other) && !j.current(at) || j.current(other) == j.current(at) && j.older(other, at))
	})); why != "" {
		return why
	}
	if j.sameText(at) {
		return ""
	}
	return cmp.Or(j.noPodman(unit, on), j.short(unit, on, func(other place) bool {
		return j.wanted(other.unit) && (j.sameText(other) || j.older(other, at))
	}))
}

func (j judge) sameText(at place) bool { return j.placements[at].Hash == j.units[at.unit].Hash }

func (j judge) current(at place) bool {
	pl, u := j.placements[at], j.units[at.unit]
	return j.sameText(at) && pl.Desired == u.Desired && pl.Generation == u.Generation
}

func (j judge) older(a, b place) bool {
	return cmp.Or(cmp.Compare(j.placements[a].Revision, j.placements[b].Revision), cmp.Compare(a.unit, b.unit)) < 0
}

func (j judge) noPodman(unit cluster.UnitName, on cluster.MachineID) string {
	if version := j.machines[on].Versions["podman"]; unit.Suffix() == ".container" && version != "4.4.0" && version != "10.0" {
		return "no Podman 4.4"
	}
	return ""
}

// tooMany counts those of the unit's template beside it that count, and asks them
// and it how many they bear.
func (j judge) tooMany(unit cluster.UnitName, on cluster.MachineID, counts func(place) bool) string {
	limits, n := []int{j.wish(unit).most}, 0
	for at := range j.placements {
		if at.machine == on && at.unit != unit && sameTemplate(at.unit, unit) && counts(at) {
			n++
			limits = append(limits, j.wish(at.unit).most)
		}
	}
	if slices.ContainsFunc(limits, func(most int) bool { return most > 0 && n >= most }) {
		return fmt.Sprintf("%d of its template are there", n)
	}
	return ""
}

func sameTemplate(a, b cluster.UnitName) bool {
	of, is := a.Template()
	other, _ := b.Template()
	return is && of == other
}

// short adds up what the unit and those beside it that count reserve.
func (j judge) short(unit cluster.UnitName, on cluster.MachineID, counts func(place) bool) string {
	w, has := j.wish(unit), j.machines[on].Capacity
	memory, gpus := w.memory, w.gpus
	for at := range j.placements {
		if at.machine == on && at.unit != unit && counts(at) {
			memory, gpus = memory+j.wish(at.unit).memory, gpus+j.wish(at.unit).gpus
		}
	}
	switch {
	case w.memory > 0 && memory<<30 > has.MemoryBytes:
		return fmt.Sprintf("%d GiB of memory for %d", has.MemoryBytes>>30, memory)
	case w.gpus > 0 && gpus > has.Other["gpu"]:
		return fmt.Sprintf("%d gpus for %d", has.Other["gpu"], gpus)
	}
	return ""
}

// unexplainedWords says whether a machine lacks something that only the new words
// ask for, and whether a reason speaks of it. What others have taken may have been
// something else when the reason was written.
func (j judge) unexplainedWords(unit cluster.UnitName, on cluster.MachineID, reason string) (lacks, named bool) {
	everything := func(place) bool { return true }
	if j.noPodman(unit, on) != "" {
		return true, strings.Contains(reason, "Podman 4.4")
	}
	return cmp.Or(j.tooMany(unit, on, everything), j.short(unit, on, everything)) != "", ofOthers(reason)
}

// notBest says why a plan that is a single placement, made from exactly these
// facts, with nothing on its way or about to end, should have chosen another machine.
func (j judge) notBest(changes []schedule.Change) string {
	for at := range j.placements {
		if !j.wanted(at.unit) {
			return ""
		}
	}
	if len(changes) != 1 || j.holding() {
		return ""
	}
	only, places := changes[0].(schedule.Place)
	if !places {
		return ""
	}
	unit := only.Placement.Unit
	if _, renewed := j.placements[place{only.Placement.Machine, unit}]; renewed || j.wish(unit).global || j.leads(unit) {
		return ""
	}
	var fits []cluster.MachineID
	for _, id := range slices.Sorted(maps.Keys(j.machines)) {
		if _, there := j.placements[place{id, unit}]; !there && j.objection(unit, id) == "" {
			fits = append(fits, id)
		}
	}
	for _, rank := range j.ranks(unit, fits) {
		best := slices.MinFunc(fits, func(a, b cluster.MachineID) int { return cmp.Compare(rank(a), rank(b)) })
		least := rank(best)
		fits = slices.DeleteFunc(fits, func(id cluster.MachineID) bool { return rank(id) > least })
	}
	if fits[0] != only.Placement.Machine {
		return fmt.Sprintf("%s was better than %s", j.names[fits[0]], j.names[only.Placement.Machine])
	}
	return ""
}

// leads says whether others that are nowhere must be where a unit is: what suits
// them comes before what is best for it.
func (j judge) leads(unit cluster.UnitName) bool {
	for other := range j.units {
		if j.wanted(other) && slices.Contains(j.wish(other).peers, string(unit)) && len(j.on(other, true))+len(j.on(other, false)) == 0 {
			return true
		}
	}
	return false
}

// ranks is what machines are chosen by, one after another; less is better.
func (j judge) ranks(unit cluster.UnitName, fits []cluster.MachineID) []func(cluster.MachineID) int {
	w := j.wish(unit)
	ranks := []func(cluster.MachineID) int{func(id cluster.MachineID) int {
		score := 0
		for pair, weight := range w.prefer {
			if key, value, _ := strings.Cut(pair, "="); j.metadata(id, key) == value {
				score += weight
			}
		}
		return -score
	}}
	for i, key := range w.spread {
		ranks = append(ranks, func(id cluster.MachineID) int {
			if key == "machine" {
				return j.instances(unit, func(other cluster.MachineID) bool { return other == id })
			}
			keys := slices.DeleteFunc(slices.Clone(w.spread[:i+1]), func(key string) bool { return key == "machine" })
			if slices.ContainsFunc(keys, func(key string) bool { return j.metadata(id, key) == "" }) {
				return 1 << 20
			}
			return j.instances(unit, func(other cluster.MachineID) bool {
				return !slices.ContainsFunc(keys, func(key string) bool { return j.metadata(other, key) != j.metadata(id, key) })
			})
		})
	}
	return append(ranks, func(id cluster.MachineID) int {
		load := 0
		for at := range j.placements {
			if at.machine == id {
				load++
			}
		}
		return load
	})
}

// instances counts the placements of the unit's template beside itself on live
// machines that count.
func (j judge) instances(unit cluster.UnitName, counts func(cluster.MachineID) bool) int {
	n := 0
	for at := range j.placements {
		if _, live := j.machines[at.machine]; live && at.unit != unit && sameTemplate(at.unit, unit) && counts(at.machine) {
			n++
		}
	}
	return n
}
