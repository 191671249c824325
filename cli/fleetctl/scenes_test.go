package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"argosy/core/cluster"
)

// TestScenes plays the files of testdata/scenes against a world: everything that
// fleetctl prints, and its exit codes, to be read in one place. A line of a scene
// is one of
//
//	$ [NAME=VALUE...] fleetctl ...   a command; behind it what it printed
//	> ...                            a line of its stdout
//	! ...                            a line of its stderr
//	exit N                           its exit code, where that is not 0
//	file NAME                        a file with the indented lines that follow
//	remove NAME                      no file any more
//	by others WORDS                  a fleetctl of someone else
//	frozen                           from here on no command may change what is stored
//
// and anything else is a remark. SOCKET in a command is where the API listens. go test -update writes what the commands say now.
func TestScenes(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testdata, "scenes", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenes: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) { playFile(t, path) })
	}
}

func playFile(t *testing.T, path string) {
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stage := &stage{world: newWorld(t)}
	withSSH(t)
	t.Chdir(t.TempDir())
	t.Setenv("FLEETCTL_ENDPOINT", "unix://"+stage.socket)
	played := stage.play(string(script))
	if *update {
		if err := os.WriteFile(path, []byte(played), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if played != string(script) {
		t.Error(unified("the scene", "as played", string(script), played))
	}
}

// stage is where one scene is played.
type stage struct {
	*world
	frozen []cluster.Unit // what is stored and must stay so; nil before that matters
}

// play returns the scene as it went this time.
func (s *stage) play(script string) string {
	var out strings.Builder
	lines := slices.Collect(strings.Lines(script))
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSuffix(lines[i], "\n")
		if strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "! ") || line == ">" || line == "!" || strings.HasPrefix(line, "exit ") {
			continue // said the last time
		}
		fmt.Fprintln(&out, line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "$":
			s.say(&out, rest)
		case "file":
			var text strings.Builder
			for ; i+1 < len(lines) && strings.HasPrefix(lines[i+1], "    "); i++ {
				out.WriteString(lines[i+1])
				text.WriteString(lines[i+1][4:])
			}
			s.check(errors.Join(os.MkdirAll(filepath.Dir(rest), 0o755), os.WriteFile(rest, []byte(text.String()), 0o644)))
		case "remove":
			s.check(os.Remove(rest))
		case "by":
			if got := s.fleetctl(strings.Fields(rest)[1:]...); got.code != 0 {
				s.Fatalf("%s: %+v", line, got)
			}
		case "frozen":
			s.frozen = s.stored()
		}
	}
	return out.String()
}

func (s *stage) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// say runs one command and writes down what it said.
func (s *stage) say(out *strings.Builder, line string) {
	words := quoted(strings.ReplaceAll(line, "SOCKET", s.socket))
	at := slices.Index(words, "fleetctl")
	if at < 0 {
		s.Fatalf("no command: %s", line)
	}
	for _, variable := range words[:at] {
		name, value, _ := strings.Cut(variable, "=")
		before, was := os.LookupEnv(name)
		s.check(os.Setenv(name, value))
		defer func() {
			if was {
				s.check(os.Setenv(name, before))
			} else {
				s.check(os.Unsetenv(name))
			}
		}()
	}
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	got := runFleetctl(ctx, words[at+1:]...)
	s.write(out, ">", got.out)
	s.write(out, "!", got.err)
	if got.code != 0 {
		fmt.Fprintln(out, "exit", got.code)
	}
	if now := s.stored(); s.frozen != nil && !reflect.DeepEqual(now, s.frozen) {
		s.Errorf("$ %s\nhas changed what is stored: %v, before it %v", line, now, s.frozen)
	}
}

func (s *stage) write(out *strings.Builder, mark, text string) {
	text = strings.ReplaceAll(text, s.socket, "/run/fleet.sock")
	for line := range strings.Lines(text) {
		fmt.Fprintln(out, strings.TrimSuffix(mark+" "+strings.TrimSuffix(line, "\n"), " "))
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		s.Errorf("no line end behind %q", text)
	}
}

// stored are the units that are stored.
func (s *stage) stored() []cluster.Unit {
	units := []cluster.Unit{}
	for _, event := range s.store.Changes(cluster.Everything, 0).Events {
		if changed, is := event.(cluster.UnitChanged); is {
			units = append(units, changed.Unit)
		}
	}
	return units
}

// quoted splits a line into words at its spaces, but for those between quotes.
func quoted(line string) (words []string) {
	var word strings.Builder
	inside, begun := false, false
	for _, c := range line {
		switch {
		case c == '\'':
			inside, begun = !inside, true
		case c == ' ' && !inside:
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}
