package schedule_test

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// wish is what a unit of the property tests asks for. The naive checks below
// work on wishes; only the texts made from them reach the scheduler.
type wish struct {
	machine   string            // first eight characters of a machine's id
	peers     []string          // MachineOf
	metadata  map[string]string // one value a key
	conflicts []string
	replaces  []string
	global    bool
	fenced    bool
	priority  int
	restarts  bool
	words
}

func (w wish) text() string {
	var lines []string
	if w.machine != "" {
		lines = append(lines, "MachineID="+w.machine)
	}
	for _, peer := range w.peers {
		lines = append(lines, "MachineOf="+peer)
	}
	for key, value := range w.metadata {
		lines = append(lines, "MachineMetadata="+key+"="+value)
	}
	slices.Sort(lines)
	if len(w.conflicts) > 0 {
		lines = append(lines, "Conflicts="+strings.Join(w.conflicts, " "))
	}
	if len(w.replaces) > 0 {
		lines = append(lines, "Replaces="+strings.Join(w.replaces, " "))
	}
	if w.global {
		lines = append(lines, "Global=true")
	}
	if w.fenced {
		lines = append(lines, "OnPartition=stop")
	}
	if w.priority != 0 {
		lines = append(lines, fmt.Sprint("Priority=", w.priority))
	}
	text := fleetText(append(lines, w.words.lines()...)...)
	if w.restarts {
		text = strings.Replace(text, "[Service]", "[Service]\nRestart=on-failure", 1)
	}
	return text
}

// judge checks the store's facts by brute force: it walks everything, keeps no
// index and shares no code with the scheduler.
type judge struct {
	*world
	wishes map[cluster.Hash]wish
}

func (j judge) wish(unit cluster.UnitName) wish { return j.wishes[j.units[unit].Hash] }

func (j judge) wanted(unit cluster.UnitName) bool {
	u, there := j.units[unit]
	return there && u.Desired != cluster.Inactive
}

// objection says why unit may not be on a machine, given everything that is
// placed; "" where it may.
func (j judge) objection(unit cluster.UnitName, on cluster.MachineID) string {
	if lacking := j.lacking(unit, on); lacking != "" {
		return lacking
	}
	if why := j.wordsObjection(unit, on); why != "" {
		return why
	}
	return j.conflict(unit, on)
}

// lacking says what the machine does not offer, whatever keeps away from what
// runs there.
func (j judge) lacking(unit cluster.UnitName, on cluster.MachineID) string {
	if _, live := j.machines[on]; !live {
		return "the machine is lost"
	}
	return j.elsewhere(unit, on)
}

// elsewhere says why a live machine is not one that unit asks for.
func (j judge) elsewhere(unit cluster.UnitName, on cluster.MachineID) string {
	w := j.wish(unit)
	if w.machine != "" && string(on[:8]) != w.machine {
		return "another machine is asked for"
	}
	for key, value := range w.metadata {
		if has := j.metadata(on, key); has != value {
			return fmt.Sprintf("%s is %q", key, has)
		}
	}
	for _, peer := range w.peers {
		if _, there := j.placements[place{on, cluster.UnitName(peer)}]; !there {
			return peer + " is not there"
		}
	}
	for key, value := range w.unlike {
		if j.metadata(on, key) == value {
			return fmt.Sprintf("%s is %q", key, value)
		}
	}
	return ""
}

// conflict looks both ways at all that is placed on the machine.
func (j judge) conflict(unit cluster.UnitName, on cluster.MachineID) string {
	for at := range j.placements {
		if at.machine != on || at.unit == unit {
			continue
		}
		if j.avoids(unit, at.unit) || j.wanted(at.unit) && j.avoids(at.unit, unit) {
			return "conflict with " + string(at.unit)
		}
	}
	return ""
}

// avoids says whether one unit's text keeps it apart from another.
func (j judge) avoids(unit, other cluster.UnitName) bool {
	w := j.wish(unit)
	return matchesAny(w.conflicts, other) || matchesAny(w.replaces, other)
}

func matchesAny(patterns []string, unit cluster.UnitName) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, string(unit))
		return ok
	})
}

// on returns the machines that hold a placement of the unit.
func (j judge) on(unit cluster.UnitName, live bool) []cluster.MachineID {
	var on []cluster.MachineID
	for _, at := range j.places() {
		if _, there := j.machines[at.machine]; at.unit == unit && there == live {
			on = append(on, at.machine)
		}
	}
	return on
}

// placed counts the unit's placements.
func (j judge) placed(unit cluster.UnitName) int {
	return len(j.on(unit, true)) + len(j.on(unit, false))
}

// outOfTouch says that the unit is on a machine that is gone and answers, and stays
// there.
func (j judge) outOfTouch(unit cluster.UnitName) bool {
	return slices.ContainsFunc(j.on(unit, false), func(id cluster.MachineID) bool {
		return j.answering[id] && !j.wish(unit).fenced && j.awayFromPeers(unit, id) == ""
	})
}

// awayFromPeers names a unit that another must be with and that is not there.
func (j judge) awayFromPeers(unit cluster.UnitName, on cluster.MachineID) string {
	for _, peer := range j.wish(unit).peers {
		if _, there := j.placements[place{on, cluster.UnitName(peer)}]; !there {
			return peer + " is not there"
		}
	}
	return ""
}

// atRest lists what is wrong with facts for which the scheduler has no plan.
func (j judge) atRest() (wrong []string) {
	fault := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for at, pl := range j.placements {
		_, live := j.machines[at.machine]
		switch {
		case !j.wanted(at.unit):
			fault("%s is on %s and not wanted", at.unit, j.names[at.machine])
		case !live && !j.wish(at.unit).global && len(j.on(at.unit, true)) > 0:
			fault("%s is still on lost %s and runs elsewhere", at.unit, j.names[at.machine])
		case live && j.mustGo(at.unit, at.machine) != "":
			fault("%s is on %s: %s", at.unit, j.names[at.machine], j.mustGo(at.unit, at.machine))
		case live && (pl.Hash != j.units[at.unit].Hash || pl.Generation != j.units[at.unit].Generation || pl.Desired != j.units[at.unit].Desired):
			fault("%s on %s is out of date", at.unit, j.names[at.machine])
		}
	}
	for unit := range j.units {
		if j.wanted(unit) {
			wrong = append(wrong, j.unitAtRest(unit)...)
		}
	}
	for unit, note := range j.unplaced {
		switch {
		case !j.wanted(unit):
			fault("%s is refused and not wanted", unit)
		case len(j.on(unit, true)) > 0, j.outOfTouch(unit) && !j.wish(unit).global:
			fault("%s is refused and placed", unit)
		case note.Generation != j.units[unit].Generation:
			fault("%s's refusal is of another generation", unit)
		}
	}
	return wrong
}

// unitAtRest checks that a wanted unit is where it should be, and that no machine
// could take what is refused.
func (j judge) unitAtRest(unit cluster.UnitName) (wrong []string) {
	live := j.on(unit, true)
	global := j.wish(unit).global
	if !global && len(live) == 0 && j.outOfTouch(unit) {
		return nil
	}
	if !global && len(live) > 1 {
		wrong = append(wrong, fmt.Sprintf("%s is on %d machines", unit, len(live)))
	}
	if !global && len(live) == 1 {
		return wrong
	}
	for id := range j.machines {
		if !slices.Contains(live, id) && j.objection(unit, id) == "" {
			wrong = append(wrong, fmt.Sprintf("%s could be on %s", unit, j.names[id]))
		}
		if other := j.takesPlace(unit, id); other != "" && len(live) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s could take the place of %s on %s", unit, other, j.names[id]))
		}
	}
	if len(live) == 0 {
		wrong = append(wrong, j.unexplained(unit)...)
	}
	return wrong
}

// unexplained checks that a unit which is nowhere has a reason, and one that
// names for each machine something that it lacks. Where a unit asks for one
// machine or for its peers', the reason may speak of these alone.
func (j judge) unexplained(unit cluster.UnitName) (wrong []string) {
	note, told := j.unplaced[unit]
	if !told {
		return []string{fmt.Sprintf("%s is nowhere and nothing says why", unit)}
	}
	w := j.wish(unit)
	if w.machine != "" || len(w.peers) > 0 {
		return nil
	}
	for id := range j.machines {
		lacks, named := false, false
		for key, value := range w.metadata {
			if j.metadata(id, key) != value {
				lacks, named = true, named || strings.Contains(note.Reason, key+"="+value)
			}
		}
		for key, value := range w.unlike {
			if j.metadata(id, key) == value {
				lacks, named = true, named || strings.Contains(note.Reason, key+"="+value)
			}
		}
		if !lacks {
			lacks, named = j.unexplainedWords(unit, id, note.Reason)
		}
		if lacks && !named {
			wrong = append(wrong, fmt.Sprintf("%s does not say what %s lacks: %s", unit, j.names[id], note.Reason))
		}
	}
	return wrong
}

// needless says why a change that was decided from exactly these facts should
// not have been: it takes away what may stay, or it takes place against a check.
func (j judge) needless(change schedule.Change) string {
	var unit cluster.UnitName
	var from cluster.MachineID
	switch c := change.(type) {
	case schedule.Place:
		unit, from = c.Placement.Unit, c.From
		if !j.wanted(unit) {
			return "placed, though it is not wanted"
		}
		_, renewed := j.placements[place{c.Placement.Machine, unit}]
		if _, up := j.machines[c.Placement.Machine]; !up {
			return "placed on a machine that is gone"
		}
		if why := j.objection(unit, c.Placement.Machine); why != "" && !renewed {
			return "placed against a check: " + why
		}
		if renewed && j.placements[place{c.Placement.Machine, unit}].Hash != c.Placement.Hash {
			if why := j.short(unit, c.Placement.Machine, func(place) bool { return true }); why != "" {
				return "renewed against a check: " + why
			}
		}
	case schedule.Evict:
		unit, from = c.Unit, c.From
	case schedule.Refuse:
		unit, from = c.Unplaced.Unit, c.From
		if from == "" {
			return ""
		}
	case schedule.Absolve:
		return ""
	}
	if from == "" || !j.wanted(unit) || len(j.on(unit, true)) > 1 {
		return ""
	}
	if _, up := j.machines[from]; !up && j.placed(unit) > 1 {
		return "" // a copy ends
	}
	if _, moved := change.(schedule.Place); moved && j.makesWay(unit, from) {
		return ""
	}
	if j.mustGo(unit, from) == "" && !j.givenUp(unit, from) {
		return "moved, though it may stay"
	}
	return ""
}
