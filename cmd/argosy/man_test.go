package main

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the manual pages anew")

// manuals is where the pages are kept, each named for its command.
const manuals = "../../docs/man"

// TestManuals holds the manual pages against the commands' own words.
func TestManuals(t *testing.T) {
	t.Setenv("ARGOSY_NAME", "") // the default of a flag
	want := map[string]string{"fleet.conf.5": confManual()}
	for _, name := range []string{"argosy", "fleetctl", "fleetd"} {
		collect(command(name), want)
	}
	if *update {
		write(t, want)
	}
	there, err := filepath.Glob(filepath.Join(manuals, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if _, known := want[filepath.Base(path)]; !known {
			t.Errorf("%s is of no command (go test -update removes it)", path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, err := os.ReadFile(filepath.Join(manuals, name))
		if err != nil || string(got) != want[name] {
			t.Errorf("docs/man/%s is not what the command says of itself (go test -update writes it): %v", name, err)
		}
	}
}

func write(t *testing.T, pages map[string]string) {
	t.Helper()
	err := cmp.Or(os.RemoveAll(manuals), os.MkdirAll(manuals, 0o755))
	for name, page := range pages {
		err = cmp.Or(err, os.WriteFile(filepath.Join(manuals, name), []byte(page), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// collect makes the page of a command and those of its verbs. Commands with a
// name of their own have their pages under that.
func collect(cmd *cobra.Command, pages map[string]string) {
	if cmd.HasParent() && (cmd.Name() == "fleetctl" || cmd.Name() == "fleetd") {
		return
	}
	pages[title(cmd)+".1"] = manual(cmd)
	for _, verb := range verbs(cmd) {
		collect(verb, pages)
	}
}

func title(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func verbs(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(verb *cobra.Command) bool {
		return !verb.IsAvailableCommand() && verb.Name() != "help"
	})
}

// manual is one page in the order of man-pages(7).
func manual(cmd *cobra.Command) string {
	var page strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	say(".TH %s 1 \"\" argosy Argosy", roff(strings.ToUpper(title(cmd))))
	say(".SH NAME\n%s \\- %s", roff(title(cmd)), roff(cmd.Short))
	say(".SH SYNOPSIS\n.B %s\n%s", roff(cmd.CommandPath()), roff(synopsis(cmd)))
	say(".SH DESCRIPTION")
	prose(say, cmp.Or(cmd.Long, cmd.Short+"."))
	if own := verbs(cmd); len(own) > 0 {
		say(".SH COMMANDS")
		for _, verb := range own {
			say(".TP\n.B %s\n%s", roff(verb.Name()), roff(verb.Short))
		}
	}
	options(say, cmd)
	say(".SH SEE ALSO\n%s", strings.Join(related(cmd), ",\n"))
	return page.String()
}

// synopsis is what may follow a command.
func synopsis(cmd *cobra.Command) string {
	if len(verbs(cmd)) > 0 {
		return "[OPTIONS] COMMAND ..."
	}
	_, arguments, _ := strings.Cut(cmd.Use, " ")
	return strings.TrimSpace(arguments + " [OPTIONS]")
}

// prose takes paragraphs as they are filled, and lines that are set in as they stand.
func prose(say func(string, ...any), text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		switch {
		case strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t"):
			say(".PP\n.EX\n%s\n.EE", roff(paragraph))
		case i > 0:
			say(".PP\n%s", roff(paragraph))
		default:
			say("%s", roff(paragraph))
		}
	}
}

func options(say func(string, ...any), cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	say(".SH OPTIONS")
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := `\fB` + roff("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + name
		}
		if value != "" {
			name += `=\fI` + roff(value) + `\fR`
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		say(".TP\n%s\n%s", name, roff(usage))
	})
	if cmd.HasParent() && cmd.HasInheritedFlags() {
		say(".PP\nThe options of\n.BR %s (1)\nmay be given too.", roff(title(cmd.Root())))
	}
}

// related are the pages of the commands above and below.
func related(cmd *cobra.Command) []string {
	names := []string{}
	if cmd.HasParent() {
		names = append(names, title(cmd.Parent()))
	}
	for _, verb := range verbs(cmd) {
		switch verb.Name() {
		case "fleetctl", "fleetd":
			names = append(names, verb.Name())
		default:
			names = append(names, title(verb))
		}
	}
	if title(cmd) == "fleetctl" {
		names = append(names, "systemctl", "journalctl")
	}
	for i, name := range names {
		names[i] = `\fB` + roff(name) + `\fR(1)`
	}
	return names
}

// roff has a text stand for itself, see groff_char(7).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
