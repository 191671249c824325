//go:build machines

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A guide page is a test: its files are written, its commands typed in order,
// and what they print must match what the page shows.

// A step is a file to write or a command with what it shows.
type step struct {
	line    int
	machine string // "you" for the host
	file    string // path to write; empty for a command
	text    string // the file's text, or the command
	shows   []string
	exit    int
	within  time.Duration // > 0: typed again until it matches
}

var (
	prompt    = regexp.MustCompile(`^(?:core@(core-\d+)|(you)) \$ (.*)$`)
	directive = regexp.MustCompile(`^<!-- (file (\S+) (\S+)|exit (\d+)|until (\S+)) -->$`)
)

// steps reads a page: fenced blocks of ini behind a file directive, and blocks
// of console, each under the directives right before it.
func steps(page string) ([]step, error) {
	var all []step
	var next step
	var block string
	for i, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "```") && block == "":
			block = strings.TrimPrefix(line, "```")
			if block == "ini" && next.file != "" {
				next.line = i + 1
				all = append(all, next)
			}
		case line == "```":
			block, next = "", step{}
		case block == "ini" && next.file != "":
			all[len(all)-1].text += line + "\n"
		case block == "console":
			if m := prompt.FindStringSubmatch(line); m != nil {
				all = append(all, step{line: i + 1, machine: m[1] + m[2], text: m[3], exit: next.exit, within: next.within})
			} else if len(all) == 0 || all[len(all)-1].file != "" {
				return nil, fmt.Errorf("line %d: output before any command", i+1)
			} else {
				last := &all[len(all)-1]
				last.shows = append(last.shows, line)
			}
		case block == "":
			m := directive.FindStringSubmatch(line)
			switch {
			case m == nil:
			case m[2] != "":
				next.machine, next.file = m[2], m[3]
			case m[4] != "":
				next.exit, _ = strconv.Atoi(m[4])
			default:
				within, err := time.ParseDuration(m[5])
				if err != nil {
					return nil, fmt.Errorf("line %d: %w", i+1, err)
				}
				next.within = within
			}
		}
	}
	return all, nil
}

// matches compares what is shown with what was printed, on standard output alone
// or, as on a terminal, with standard error behind it, word by word, line by line; "..." stands for any text in a
// line, and alone on a line for any lines.
func matches(shows []string, printed string) bool {
	if len(shows) == 0 {
		return true
	}
	var pattern strings.Builder
	pattern.WriteString(`^`)
	for _, line := range shows {
		line = strings.Join(strings.Fields(line), " ")
		if line == "..." {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, `.*`) + `\n`)
	}
	pattern.WriteString(`$`)
	var folded strings.Builder
	for line := range strings.Lines(printed) {
		folded.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return regexp.MustCompile(pattern.String()).MatchString(folded.String())
}

func TestGuideReader(t *testing.T) {
	got, err := steps("<!-- file core-01 /a -->\n```ini\n[Unit]\n```\n<!-- exit 4 -->\n```console\nyou $ x\na ... c\n```\n")
	if err != nil || len(got) != 2 || got[0].text != "[Unit]\n" || got[1].exit != 4 || got[1].machine != "you" {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, c := range []struct {
		printed string
		want    bool
	}{{"a  b\tc\n", true}, {"a b\n", false}, {"a b c\nd\n", false}} {
		if matches(got[1].shows, c.printed) != c.want {
			t.Errorf("%q: want %v", c.printed, c.want)
		}
	}
	if !matches([]string{"...", "x", "..."}, "1\n2\nx\n3\n") || matches([]string{"...", "x", "..."}, "1\n") {
		t.Error("a line of ... stands for any lines and no more")
	}
}

func TestTutorial(t *testing.T) {
	serveMongo(t)
	t.Cleanup(func() {
		cluster.shell(t, "core-01", "fleetctl destroy mongo.service mongo@{1,2,3,4}.service; etcdctl del message; curl -s -XDELETE http://127.0.0.1:2379/v2/keys/message; sudo systemctl disable mongo.service; "+
			"sudo rm -f /etc/systemd/system/mongo.service mongo@.service; sudo systemctl daemon-reload")
		for _, machine := range allMachines {
			cluster.shell(t, machine, "docker rm -f mongo-db; docker rmi -f mongo")
		}
		cluster.whole(t, "hello@", 3)
	})
	follow(t, "../../docs/guide/tutorial.md")
}

// follow does what a page says.
func follow(t *testing.T, path string) { cluster.follow(t, path) }

// follow does what a page says. A line by which a machine joins, whose token no page can
// know, is the last one like it that was printed.
func (c local) follow(t *testing.T, path string) {
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := steps(string(page))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	invited := map[bool]string{} // by whether it makes a member
	for _, s := range all {
		where := fmt.Sprintf("%s:%d", path, s.line)
		if s.file != "" {
			c.write(t, s.machine, s.file, s.text)
			continue
		}
		if like := strings.Fields(strings.TrimPrefix(s.text, "sudo ")); len(like) > 3 && like[1] == "join" {
			s.text = "sudo " + invited[like[2] == "--member"]
		}
		t.Logf("%s: %s $ %s", where, s.machine, s.text)
		try := func() error {
			out := c.shell(t, s.machine, s.text)
			for _, line := range joinLine.FindAllStringSubmatch(out.stdout, -1) {
				invited[strings.Contains(line[1], "--member")] = line[1]
			}
			if out.code != s.exit || !matches(s.shows, out.stdout) && !matches(s.shows, out.stdout+out.stderr) {
				return fmt.Errorf("%s: %s $ %s\nexit %d, want %d\nprinted:\n%s\nwanted:\n%s\nstderr:\n%s", where, s.machine, s.text,
					out.code, s.exit, out.stdout, strings.Join(s.shows, "\n"), out.stderr)
			}
			return nil
		}
		if s.within > 0 {
			eventually(t, s.within, try)
		} else if err := try(); err != nil {
			t.Fatal(err)
		}
	}
}
