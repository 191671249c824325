package schedule_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata")

// TestScenarios plays testdata/*.txt. A file is a row of steps separated by
// lines of "====": commands, a line of "----", the changes expected. After each
// step everything planned is committed, unless the step says otherwise:
//
//	machine core-01 KEY=VALUE...     joins, or changes
//	lose core-01
//	fail NAME on core-01 RESULT      systemd gives it up; with "success" it runs again
//	wait 30s                         time passes before the plan
//	depart core-01                   leaves on purpose
//	judge core-01 answers|silent     what probes say of its kernel
//	label core-01 [KEY=VALUE...]     what an operator says of it; nothing takes all back
//	unit NAME DESIRED [KEY=VALUE...] with that [X-Fleet] section; a "|" stands for a space
//	text NAME DESIRED TEXT           a text as it is, "\n" for a new line
//	destroy NAME
//	foreign NAME on core-01          a placement that someone else wrote
//	evict NAME from core-01          and its end, by someone else
//	why NAME                         explains the unit after the step; a machine with "+" fits
//	new-leader                       another leader that reads everything anew
//	limit N                          at most N changes in this step
//	lost NAME...                     the changes of these units lose their guards once
//	meanwhile                        what follows happens after the plan, which knows nothing of
//	                                 it, and before the commit; news alone says which guards broke
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playFile(t, file) })
	}
}

func playFile(t *testing.T, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario{world: newWorld(), picture: schedule.New()}
	var played strings.Builder
	for i, step := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n====\n") {
		commands, _, _ := strings.Cut(step, "\n----")
		got, err := s.step(commands)
		if err != nil {
			t.Fatalf("%s: step %d: %v", file, i+1, err)
		}
		if i > 0 {
			played.WriteString("====\n")
		}
		played.WriteString(commands + "\n----\n" + got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(played.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if played.String() != string(raw) {
		t.Errorf("%s: the plan is another than expected; it is now:\n%s", file, played.String())
	}
}

type scenario struct {
	world   *world
	picture *schedule.Picture
}

func (s *scenario) step(commands string) (string, error) {
	limit, lost := 0, map[cluster.UnitName]bool{}
	var asked []cluster.UnitName
	before, after, late := strings.Cut(commands, "\nmeanwhile\n")
	for line := range strings.Lines(before) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		switch words[0] {
		case "limit":
			if _, err := fmt.Sscan(words[1], &limit); err != nil {
				return "", err
			}
		case "why":
			asked = append(asked, cluster.UnitName(words[1]))
		case "lost":
			for _, name := range words[1:] {
				lost[cluster.UnitName(name)] = true
			}
		default:
			if err := s.command(line, words); err != nil {
				return "", err
			}
		}
	}
	s.world.inform(s.picture)
	if late {
		return s.late(after)
	}
	if limit == 0 && len(lost) == 0 {
		done, err := s.world.settle(s.picture)
		return s.world.show(done...) + s.explain(asked), err
	}
	changes := s.picture.Plan(s.world.now, limit)
	var kept, dropped []schedule.Change
	for _, change := range changes {
		if p, ok := change.(schedule.Place); ok && lost[p.Placement.Unit] {
			dropped = append(dropped, change)
		} else {
			kept = append(kept, change)
		}
	}
	if more := s.world.commit(kept...); len(more) > 0 {
		return "", fmt.Errorf("guards lost: %s", s.world.show(more...))
	}
	s.picture.Retry(dropped...)
	return s.world.show(changes...) + s.explain(asked), nil
}

func (s *scenario) explain(names []cluster.UnitName) (said string) {
	for _, name := range names {
		said += "why " + explain(s.picture, name)
	}
	return said
}

// late plays a step in which something happens between a plan and its commit.
func (s *scenario) late(commands string) (string, error) {
	var played strings.Builder
	changes := s.picture.Plan(s.world.now, 0)
	for line := range strings.Lines(commands) {
		if err := s.command(line, strings.Fields(line)); err != nil {
			return "", err
		}
	}
	for _, change := range changes {
		if len(s.world.commit(change)) > 0 {
			played.WriteString("lost: ")
		}
		played.WriteString(s.world.show(change))
	}
	done, err := s.world.settle(s.picture)
	played.WriteString(s.world.show(done...))
	return played.String(), err
}

func (s *scenario) command(line string, words []string) error {
	w := s.world
	switch words[0] {
	case "machine":
		w.machine(words[1], pairs(words[2:]))
	case "lose":
		w.lose(words[1])
	case "depart":
		id := machineID(words[1])
		w.lose(words[1])
		w.tell(cluster.DepartedChanged{Departed: cluster.Departed{Machine: id, Revision: w.revision}})
	case "fail":
		w.fail(cluster.UnitName(words[1]), machineID(words[3]), words[4])
	case "wait":
		passed, err := time.ParseDuration(words[1])
		w.now = w.now.Add(passed)
		return err
	case "judge":
		w.answering[machineID(words[1])] = words[2] == "answers"
	case "label":
		w.label(words[1], pairs(words[2:]))
	case "unit":
		w.unit(cluster.UnitName(words[1]), cluster.Desired(words[2]), fleetText(words[3:]...))
	case "text":
		text := strings.TrimSpace(strings.SplitN(line, " ", 4)[3])
		w.unit(cluster.UnitName(words[1]), cluster.Desired(words[2]), strings.ReplaceAll(text, `\n`, "\n"))
	case "destroy":
		w.destroy(cluster.UnitName(words[1]))
	case "foreign":
		w.foreign(cluster.UnitName(words[1]), machineID(words[3]))
	case "evict":
		w.end(cluster.UnitName(words[1]), machineID(words[3]))
	case "new-leader":
		s.picture = schedule.New()
		w.news = [][]cluster.Event{w.facts()}
	default:
		return fmt.Errorf("%q is no command", words[0])
	}
	return nil
}

// foreign writes a placement as another leader might have left it.
func (w *world) foreign(name cluster.UnitName, on cluster.MachineID) {
	w.revision++
	u := w.units[name]
	pl := cluster.Placement{Machine: on, Unit: name, Revision: w.revision,
		Hash: u.Hash, Desired: u.Desired, Generation: u.Generation}
	w.placements[place{on, name}] = pl
	w.tell(cluster.PlacementChanged{Placement: pl})
}

// end takes a placement away, as another leader might.
func (w *world) end(name cluster.UnitName, on cluster.MachineID) {
	w.revision++
	w.displace(on, name)
}

func pairs(words []string) map[string]string {
	m := map[string]string{}
	for _, word := range words {
		k, v, _ := strings.Cut(word, "=")
		m[k] = v
	}
	return m
}

// fleetText is a unit text with an [X-Fleet] section of these assignments.
func fleetText(assignments ...string) string {
	text := "[Service]\nExecStart=/bin/sleep infinity\n"
	if len(assignments) > 0 {
		text += "[X-Fleet]\n"
	}
	for _, a := range assignments {
		text += strings.ReplaceAll(a, "|", " ") + "\n"
	}
	return text
}
