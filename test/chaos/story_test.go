//go:build machines

package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	around     = 4 * time.Second // of what went wrong, from the machines' journals
	mostLines  = 12              // of each excerpt
	widest     = 200             // characters of a line
	mostShown  = 2               // violations that are told in full
	lookBehind = 30 * time.Second
)

// story is what whoever reads a failure needs: the schedule as it was done, and
// for each violation the unit's own history and the daemons' journals around it.
func (m *machines) story(ctx context.Context, h *History, found []Violation) string {
	var b strings.Builder
	since := func(t Time) string { return fmt.Sprintf("%+.2f", (t - h.From).Seconds()) }
	b.WriteString("faults, in seconds since the round began:\n")
	for _, f := range h.Faults {
		fmt.Fprintf(&b, "  %7s to %7s  %s %s\n", since(f.From), since(f.To-settling), f, f.Says)
	}
	for i, v := range found {
		fmt.Fprintf(&b, "\nat %s: %s\n", since(v.At), v)
		if i >= mostShown {
			continue
		}
		for _, r := range h.runs(v.Unit) {
			to := "now"
			if !r.Open() {
				to = since(r.To)
			}
			fmt.Fprintf(&b, "  %7s to %7s  version %d on %s\n", since(r.From), to, r.Version, r.Machine)
		}
		for _, q := range h.Requests {
			if q.Unit == v.Unit {
				fmt.Fprintf(&b, "  %7s asked for: %s; %s %s\n", since(q.From), q.Wanted, q.Outcome, q.Says)
			}
		}
		for _, machine := range h.concerned(v) {
			m.excerpts(ctx, &b, machine, h, v)
		}
	}
	return b.String()
}

// concerned are the machines that had a unit about the time of a violation.
func (h *History) concerned(v Violation) []string {
	names := []string{v.Machine}
	for _, r := range h.runs(v.Unit) {
		if r.From < v.At+around && (r.Open() || r.To > v.At-lookBehind) {
			names = append(names, r.Machine)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// excerpts are from one machine's journal: what it says of the unit in this
// round, and what the daemons say around the violation.
func (m *machines) excerpts(ctx context.Context, b *strings.Builder, machine string, h *History, v Violation) {
	booted := time.Now().Add(-now())
	at := func(t Time) string { return fmt.Sprintf("@%d", booted.Add(t).Unix()) }
	fmt.Fprintf(b, "%s, where the round began at %s:\n", machine, booted.Add(h.From).Format("15:04:05.00"))
	argv := [][]string{
		{"-u", v.Unit, "--since=" + at(h.From)},
		{"-u", "fleet", "--grep=" + v.Unit, "--since=" + at(h.From)},
	}
	if v.Law > 0 {
		argv = append(argv, []string{"-u", "fleet", "-u", "etcd", "--grep=WARN|ERROR|lead|became|lease|regist|lost", "--since=" + at(v.At-around), "--until=" + at(v.At+around)})
	}
	for _, words := range argv {
		out, _, err := m.Run(ctx, machine, append([]string{"journalctl", "-o", "short-precise", "-q"}, words...)...)
		if err != nil {
			fmt.Fprintf(b, "  its journal cannot be read: %v\n", err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) > mostLines {
			lines = slices.Concat(lines[:mostLines/2], []string{"..."}, lines[len(lines)-mostLines/2:])
		}
		for _, line := range lines {
			fmt.Fprintf(b, "  %s\n", line[:min(len(line), widest)])
		}
	}
}
