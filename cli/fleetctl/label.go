package fleetctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

// labelFlags are those of the verb label.
type labelFlags struct {
	reset, dryRun, yes bool
	output             string
}

func label(s *session) *cobra.Command {
	var f labelFlags
	cmd := &cobra.Command{
		Use:   "label MACHINE [KEY=VALUE...] [KEY-...]",
		Short: "Show or change a machine's labels, and what moves for it",
		Long: `label changes what a machine is known by, while it runs: what operators say stands
over metadata= of the machine's fleet.conf. KEY=VALUE sets a label, KEY- removes it, and
hides it where fleet.conf has it. --reset takes back all that operators have said. Without
a change the labels are printed, and where each comes from.

MACHINE is an id, the beginning of one, or a hostname. Labels may be given to a machine
that was never seen, by its whole id: they are kept for its arrival.

The units that would move are shown first. On a terminal label then asks; elsewhere it
changes nothing and ends with 6 when units would move, unless --yes is given. --dry-run
only shows, and ends with 6 when units would move and with 0 when none would.`,
		Args: aMachine,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.label(cmd, args[0], args[1:], f)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.reset, "reset", false, "take back all that operators have said of the machine before")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only show what would be")
	flags.BoolVar(&f.yes, "yes", false, "do not ask, also when units move")
	flags.StringVarP(&f.output, "output", "o", "table", "table, json or yaml")
	offer(cmd, "output", words("table", "json", "yaml"))
	cmd.ValidArgsFunction = s.labelWords
	return cmd
}

// aMachine asks for at least one argument.
func aMachine(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("a machine is expected\nsee '%s --help'", cmd.CommandPath()))
	}
	return nil
}

func (s *session) label(cmd *cobra.Command, word string, assignments []string, f labelFlags) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	change, err := labelsChange(assignments, f.reset)
	if err != nil {
		return cli.Coded(cli.ExitUsage, err)
	}
	machine, err := s.machineOrID(cmd.Context(), word)
	switch {
	case err != nil:
		return err
	case !f.reset && len(assignments) == 0 && (f.yes || f.dryRun):
		return cli.Coded(cli.ExitUsage, errors.New("--yes and --dry-run are for changes: give KEY=VALUE, KEY- or --reset"))
	case !f.reset && len(assignments) == 0:
		return show(s.out, listing{output: f.output, fields: "key,value,from"}, labelColumns, labelRows(machine), machine)
	}
	if err := change.Valid(); err != nil {
		return cli.Coded(cli.ExitUsage, explain(err))
	}
	return s.relabel(cmd, machine, change, f)
}

// labelsChange reads KEY=VALUE and KEY-.
func labelsChange(assignments []string, reset bool) (api.LabelsChange, error) {
	change := api.LabelsChange{Reset: reset, Set: map[string]string{}}
	for _, word := range assignments {
		key, value, set := strings.Cut(word, "=")
		if !set {
			var remove bool
			if key, remove = strings.CutSuffix(word, "-"); !remove {
				return change, fmt.Errorf("%q: expected KEY=VALUE, or KEY- to remove a label", word)
			}
		}
		if _, twice := change.Set[key]; twice || slices.Contains(change.Remove, key) {
			return change, fmt.Errorf("label %s is given twice", key)
		}
		if set {
			change.Set[key] = value
		} else {
			change.Remove = append(change.Remove, key)
		}
	}
	return change, nil
}

// relabel shows what would move, and changes the labels where that is agreed.
func (s *session) relabel(cmd *cobra.Command, machine api.Machine, change api.LabelsChange, f labelFlags) error {
	change.DryRun = true
	would, err := s.SetLabels(cmd.Context(), machine.ID, change)
	if err != nil {
		return err
	}
	moving := len(would.Consequences)
	if f.output == "table" {
		if err := s.tellMoves(cmd.Context(), would); err != nil {
			return err
		}
	}
	switch {
	case f.dryRun:
		if err := s.answer(f.output, would); err != nil || moving == 0 {
			return err
		}
		return ending(cli.ExitChanges)
	case moving > 0 && !f.yes && !onTerminal(cmd.InOrStdin()):
		return cli.Coded(cli.ExitChanges, fmt.Errorf("%s: nothing is changed; --yes labels the machine all the same", wouldMove(moving)))
	case moving > 0 && !f.yes && !s.agreed(cmd.InOrStdin()):
		return errors.New("nothing is changed")
	}
	change.DryRun = false
	done, err := s.SetLabels(cmd.Context(), machine.ID, change)
	if err != nil {
		return err
	}
	if f.output != "table" {
		return s.answer(f.output, done)
	}
	said := "labelled"
	if !done.Changed {
		said = "was labelled so already"
	}
	fmt.Fprintf(s.out, "Machine %s %s: %s\n", calledMachine(machine), said, metadata(done.Metadata))
	return nil
}

// answer prints a whole answer where it is not for people.
func (s *session) answer(output string, answer api.LabelsAnswer) error {
	if output == "table" {
		return nil
	}
	return show[api.Consequence](s.out, listing{output: output}, nil, nil, answer)
}

// mostMoves is how many moves are printed; there may be thousands.
const mostMoves = 20

// tellMoves says what a machine would be known by, and which units would move.
func (s *session) tellMoves(ctx context.Context, would api.LabelsAnswer) error {
	if would.Away {
		fmt.Fprintf(s.err, "Machine %s is not there: its labels are kept for its arrival\n", would.Machine)
	}
	if would.DryRun && len(would.Consequences) == 0 {
		fmt.Fprintln(s.out, "No unit moves.")
		return nil
	}
	known, err := s.Machines(ctx)
	if err != nil {
		return err
	}
	ip := map[cluster.MachineID]string{}
	for _, m := range known.Machines {
		ip[m.ID] = m.IP
	}
	where := func(id cluster.MachineID) string {
		if id == "" {
			return "-"
		}
		return machineAt(id, ip[id], false)
	}
	columns := []column[api.Consequence]{
		{"unit", func(c api.Consequence, _ bool) string { return string(c.Unit) }},
		{"from", func(c api.Consequence, _ bool) string { return where(c.From) }},
		{"to", func(c api.Consequence, _ bool) string { return where(c.To) }},
		{"reason", func(c api.Consequence, _ bool) string { return dash(c.Reason) }},
	}
	all := would.Consequences
	fmt.Fprintf(s.out, "%s:\n", wouldMove(len(all)))
	if err := table(s.out, listing{}, columns, all[:min(mostMoves, len(all))]); err != nil {
		return err
	}
	if rest := len(all) - mostMoves; rest > 0 {
		fmt.Fprintf(s.out, "and %d more; --dry-run -o json lists them all\n", rest)
	}
	return nil
}

func wouldMove(units int) string {
	if units == 1 {
		return "1 unit would move"
	}
	return fmt.Sprintf("%d units would move", units)
}

// agreed asks on the terminal.
func (s *session) agreed(in io.Reader) bool {
	fmt.Fprint(s.err, "Label the machine? [y/N] ")
	line, _ := bufio.NewReader(in).ReadString('\n')
	word := strings.ToLower(strings.TrimSpace(line))
	return word == "y" || word == "yes"
}

// onTerminal says that somebody can be asked.
func onTerminal(in io.Reader) bool {
	file, is := in.(*os.File)
	if !is {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// machineOrID is the machine that a word means. A whole id also means one that
// was never seen.
func (s *session) machineOrID(ctx context.Context, word string) (api.Machine, error) {
	answer, err := s.MachinesAndAway(ctx)
	if err != nil {
		return api.Machine{}, err
	}
	s.note(answer.Freshness)
	machine, err := pick(answer.Machines, word)
	if errors.Is(err, cluster.ErrNotFound) {
		if id, isID := cluster.ParseMachineID(word); isID == nil {
			return api.Machine{ID: id, Away: true}, nil
		}
	}
	return machine, err
}

func calledMachine(m api.Machine) string {
	return api.Presence{Machine: m.ID, Name: m.Name}.Called()
}

// labelRow is one key of what a machine is known by, or was until it was hidden.
type labelRow struct{ key, value, from string }

var labelColumns = []column[labelRow]{
	{"key", func(r labelRow, _ bool) string { return r.key }},
	{"value", func(r labelRow, _ bool) string { return dash(r.value) }},
	{"from", func(r labelRow, _ bool) string { return r.from }},
}

// labelRows tells of each key where its value comes from, and what it stands over.
func labelRows(m api.Machine) []labelRow {
	var rows []labelRow
	keys := slices.Concat(slices.Collect(maps.Keys(m.Metadata)), slices.Collect(maps.Keys(m.Labels)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		row := labelRow{key, m.Metadata[key], "fleet.conf"}
		if _, said := m.Labels[key]; said {
			row.from = "operator"
			if own, over := m.Configured[key]; over {
				row.from += ", over " + own + " of fleet.conf"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// labelWords offers machines, and then the keys that the machine has.
func (s *session) labelWords(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return s.machineWords(cmd, args, typed)
	}
	var words []cobra.Completion
	s.silently(cmd, func(ctx context.Context) error {
		machine, err := s.machineOrID(ctx, args[0])
		for _, row := range labelRows(machine) {
			for _, word := range []string{row.key + "=", row.key + "-"} {
				if strings.HasPrefix(word, typed) {
					words = append(words, cobra.CompletionWithDesc(word, dash(row.value)))
				}
			}
		}
		return err
	})
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
