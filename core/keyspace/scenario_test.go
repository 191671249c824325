package keyspace

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestScenarios plays testdata/*.txt: a line that begins with a word is a
// command; the answers stand below it, each after "  ". The commands:
//
//	PUT|POST|GET|HEAD|DELETE KEY [field=value ...]   a request; waits are numbered
//	pass DURATION                                    time passes and what ends expires
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played := play(string(text))
			if *update {
				if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if played != string(text) {
				t.Errorf("%s: played again it reads\n%s", file, played)
			}
		})
	}
}

func play(text string) string {
	s := newStage()
	var out strings.Builder
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "  "):
		case strings.TrimSpace(line) == "" || line[0] == '#':
			out.WriteString(line)
		default:
			out.WriteString(line)
			for _, answer := range s.do(strings.TrimSpace(line)) {
				out.WriteString("  " + strings.TrimSuffix(answer, "\n") + "\n")
			}
		}
	}
	return out.String()
}

// stage is a whole store: what a keeper of keys is made of.
type stage struct {
	now      time.Time
	tree     *Tree
	history  *History
	watchers *Watchers
}

func newStage() *stage {
	return &stage{
		now:  time.Date(2014, 6, 9, 12, 0, 0, 0, time.UTC),
		tree: New(0), history: NewHistory(0), watchers: NewWatchers(),
	}
}

func (s *stage) do(command string) []string {
	words := strings.Fields(command)
	if words[0] == "pass" {
		passing, err := time.ParseDuration(words[1])
		if err != nil {
			return []string{err.Error()}
		}
		s.now = s.now.Add(passing)
		var answers []string
		for _, change := range s.tree.Expire(s.now, math.MaxInt) {
			answers = append(answers, s.record(change)...)
		}
		return answers
	}
	form := map[string][]string{}
	for _, field := range words[2:] {
		name, value, _ := strings.Cut(field, "=")
		form[name] = append(form[name], value)
	}
	query, err := Parse(words[0], CleanKey(words[1]), form, s.now)
	if err != nil {
		return refusal(err)
	}
	return s.ask(query)
}

func (s *stage) ask(query Query) []string {
	switch request := query.Request.(type) {
	case Get:
		event, err := s.tree.Get(request, s.now)
		if err != nil {
			return refusal(err)
		}
		return []string{string(event.AppendJSON(nil))}
	case Watch:
		event, found, err := s.history.First(request)
		switch {
		case err != nil:
			return refusal(err)
		case found:
			return []string{string(event.AppendJSON(nil))}
		}
		return []string{fmt.Sprintf("watcher %d waits", s.watchers.Add(request))}
	}
	change, err := s.tree.Apply(query.Request.(Write), s.now)
	if err != nil {
		return refusal(err)
	}
	told := s.record(change)
	if query.NoValues {
		told[0] = string(change.Event.WithoutValues().AppendJSON(nil))
	}
	return told
}

func (s *stage) record(change Change) []string {
	answers := []string{string(change.Event.AppendJSON(nil))}
	s.history.Record(change)
	for _, id := range s.watchers.Tell(change) {
		answers = append(answers, fmt.Sprintf("watcher %d is told", id))
	}
	return answers
}

func refusal(err error) []string {
	refused := err.(*Error)
	return []string{fmt.Sprintf("%d %s", refused.Code.Status(), refused.AppendJSON(nil))}
}
