package local

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/cli"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]uint64{"": 0, "1kbit": 1000, "1.5mbit": 1_500_000, "2Gbit": 2_000_000_000, "64000bit": 64000} {
		if got, err := parseRate(text); got != want || err != nil {
			t.Errorf("%q: %d, %v; expected %d", text, got, err, want)
		}
	}
	for _, text := range []string{"1", "mbit", "-1mbit", "0mbit", "NaNmbit", "infgbit", "1e300gbit", "1MB", "1 mbit"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

func TestParseLoss(t *testing.T) {
	for text, want := range map[string]int{"": 0, "30%": 30, "5": 5, "100%": 100} {
		if got, err := parseLoss(text); got != want || err != nil {
			t.Errorf("%q: %d, %v; expected %d", text, got, err, want)
		}
	}
	for _, text := range []string{"101%", "-1%", "half", "1.5%", "%"} {
		if got, err := parseLoss(text); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

// What is refused before anything is touched, with its exit code.
func TestUsage(t *testing.T) {
	for line, code := range map[string]int{
		"up core-01":   cli.ExitUsage,
		"down core-01": cli.ExitUsage,
		"ssh":          cli.ExitUsage,
		"chaos kill":   cli.ExitUsage,
		"chaos partition core-01 --one-way sideway": cli.ExitUsage,
		"chaos slow core-01":                        cli.ExitUsage,
		"chaos slow core-01 --loss 200%":            cli.ExitUsage,
		"chaos slow core-01 --delay -5ms":           cli.ExitUsage,
		"ssh --name no-such-cluster core-01":        cli.ExitNotFound,
		"chaos kill --name no-such-cluster core-01": cli.ExitNotFound,
		"status --name ../etc":                      cli.ExitNotFound,
		"env --name no-such-cluster":                cli.ExitNotFound,
	} {
		words := strings.Fields(line)
		for _, cmd := range Commands() {
			if cmd.Name() != words[0] {
				continue
			}
			cmd.SetArgs(words[1:])
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetOut(&bytes.Buffer{})
			if err := cmd.ExecuteContext(t.Context()); cli.Code(err) != code {
				t.Errorf("argosy %s: exit code %d, %v; expected %d", line, cli.Code(err), err, code)
			}
		}
	}
}

func TestProgressInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	p := newProgress(out)
	p.Step("one")
	p.Detail("seen on a terminal alone")
	p.Note("a remark")
	p.Step("two")
	p.end(os.ErrClosed)
	_ = out.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 3 || lines[0] != "note: a remark" || !strings.HasPrefix(lines[1], "ok     one ") || !strings.HasPrefix(lines[2], "FAILED two ") || strings.Contains(string(text), "\x1b") {
		t.Errorf("%q", lines)
	}
}
