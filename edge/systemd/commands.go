package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"argosy/core/cluster"
)

// Outputs are the journal's formats that may be asked for, see journalctl(1).
var Outputs = []string{
	"short", "short-full", "short-iso", "short-iso-precise", "short-precise", "short-monotonic", "short-unix",
	"verbose", "export", "json", "json-pretty", "json-sse", "json-seq", "cat", "with-unit",
}

// MostLines is the largest number of lines that may be asked for at a time.
const MostLines = 1_000_000

// Options says what of a unit's journal is wanted.
type Options struct {
	Lines  int    // the last ones; 0 for none, then only what follows
	Follow bool   // go on until ctx ends
	Output string // one of Outputs; empty for "short"
	After  string // a cursor: only what comes behind it, however many lines
}

// Valid says what is wrong with the options, all at once.
func (o Options) Valid() error {
	var faults []error
	if o.Lines < 0 || o.Lines > MostLines {
		faults = append(faults, fmt.Errorf("lines: expected 0 to %d, found %d", MostLines, o.Lines))
	}
	if o.Output != "" && !slices.Contains(Outputs, o.Output) {
		faults = append(faults, fmt.Errorf("output: expected one of %s, found %q", strings.Join(Outputs, ", "), o.Output))
	}
	return errors.Join(faults...)
}

func (o Options) arguments(unit cluster.UnitName) []string {
	output := o.Output
	if output == "" {
		output = "short"
	}
	arguments := []string{"--no-pager", "--output=" + output, "--unit=" + string(unit.Service())}
	if o.After != "" {
		arguments = append(arguments, "--after-cursor="+o.After)
	} else {
		arguments = append(arguments, "--lines="+strconv.Itoa(o.Lines))
	}
	if o.Follow {
		arguments = append(arguments, "--follow")
	}
	return arguments
}

// Status is what `systemctl status -l` prints of a unit, and its exit code: 0
// for an active unit, 3 for one that is not, 4 for one that is not known. Of a
// Quadlet file it is that of its service, as the journal is.
func (m *Manager) Status(ctx context.Context, unit cluster.UnitName) (text string, exitCode int, err error) {
	if _, err := cluster.ParseUnitName(string(unit)); err != nil {
		return "", 0, err
	}
	out, err := command(ctx, "systemctl", "status", "--full", "--no-pager", "--", string(unit.Service())).CombinedOutput()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Exited() {
		return string(out), ended.ExitCode(), nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("systemctl status %s: %w", unit, err)
	}
	return string(out), 0, nil
}

// Journal writes what a unit has logged to w, until the end of the journal or,
// when it is followed, of ctx.
func (m *Manager) Journal(ctx context.Context, unit cluster.UnitName, options Options, w io.Writer) error {
	_, err := cluster.ParseUnitName(string(unit))
	if err := errors.Join(err, options.Valid()); err != nil {
		return err
	}
	var complaint strings.Builder
	journal := command(ctx, "journalctl", options.arguments(unit)...)
	journal.Stdout, journal.Stderr = w, &complaint
	if err := journal.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("journalctl of %s: %w: %s", unit, err, strings.TrimSpace(complaint.String()))
	}
	return ctx.Err()
}

// command runs a program of systemd's with these very arguments; no shell reads
// them. It prints no colours and the same words everywhere.
func command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_URLIFY=0")
	cmd.WaitDelay = time.Second // a reader that went away may not hold us
	return cmd
}
