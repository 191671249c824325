package fleetctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/cluster"
	"argosy/core/schedule"
)

func why(s *session) *cobra.Command {
	var output string
	var all bool
	cmd := &cobra.Command{
		Use:   "why UNIT",
		Short: "Tell why a unit is on its machine, and why on no other",
		Long: `why tells why a unit is where it is, or on no machine, and what each machine is to it:
"here", one where it "fits" too, or "no". Machines of which the same is to be said are
one line; --all prints each. What a machine that has the unit could not do stands below.`,
		Args: oneUnit,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			name, err := unitNamed(args[0])
			if err != nil {
				return err
			}
			answer, err := s.Why(cmd.Context(), name)
			if err != nil {
				return err
			}
			s.note(answer.Freshness)
			if output == "table" {
				return errors.Join(printWhy(s.out, answer.Explanation, all), s.printProblems(cmd.Context(), name))
			}
			return show[verdicts](s.out, listing{output: output}, nil, nil, answer)
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json or yaml")
	cmd.Flags().BoolVar(&all, "all", false, "print every machine, however many there are")
	offer(cmd, "output", words("table", "json", "yaml"))
	s.complete(cmd, noTemplate)
	return cmd
}

// printProblems tells what machines that have the unit could not do.
func (s *session) printProblems(ctx context.Context, name cluster.UnitName) error {
	answer, err := s.Unit(ctx, name)
	if err != nil {
		return err
	}
	for _, on := range answer.Unit.On {
		if on.State != nil && on.State.Problem != "" {
			fmt.Fprintf(s.out, "\nOn %s: %s\n", on.Called(), on.State.Problem)
		}
	}
	return nil
}

// checkOutput is for verbs whose table has one form.
func checkOutput(output string) error {
	switch output {
	case "table", "json", "yaml":
		return nil
	}
	return cli.Coded(cli.ExitUsage, fmt.Errorf("--output is %q: expected table, json or yaml", output))
}

// verdicts are machines of which the same is to be said.
type verdicts struct {
	is       string // "here", "fits" or "no"
	reason   string
	machines []schedule.Verdict
}

const (
	mostReasons = 20 // a screenful
	mostNamed   = 3  // of the machines of one reason
)

var verdictColumns = []column[verdicts]{
	{"machines", func(v verdicts, full bool) string { return v.named(full) }},
	{"is", func(v verdicts, _ bool) string { return v.is }},
	{"reason", func(v verdicts, _ bool) string { return dash(v.reason) }},
}

// named names the machines, the first few where there are many.
func (v verdicts) named(full bool) string {
	var names []string
	for _, m := range v.machines[:min(mostNamed, len(v.machines))] {
		names = append(names, cmp.Or(m.Name, machineID(m.Machine, full)))
	}
	if len(v.machines) > mostNamed {
		return fmt.Sprintf("%d: %s, ...", len(v.machines), strings.Join(names, ", "))
	}
	return strings.Join(names, ", ")
}

// printWhy prints an explanation for people.
func printWhy(w io.Writer, e schedule.Explanation, all bool) error {
	_, err := fmt.Fprintln(w, e.Summary)
	if e.Held != "" {
		_, err = fmt.Fprintln(w, "Nothing is decided for any unit now: "+e.Held)
	}
	groups := grouped(e.Machines, all)
	if len(groups) == 0 {
		return err
	}
	shown := groups
	if !all {
		shown = groups[:min(mostReasons, len(groups))]
	}
	_, spaced := fmt.Fprintln(w)
	err = errors.Join(err, spaced, table(w, listing{}, verdictColumns, shown))
	if rest := groups[len(shown):]; len(rest) > 0 {
		machines := 0
		for _, g := range rest {
			machines += len(g.machines)
		}
		fmt.Fprintf(w, "and %d more machines for %d more reasons; --all prints each\n", machines, len(rest))
	}
	return err
}

// grouped puts machines of the same verdict together, or each apart: first where
// the unit is, then where it fits, then the reasons that keep it off most machines.
func grouped(machines []schedule.Verdict, apart bool) []verdicts {
	var groups []verdicts
	index := map[[2]string]int{}
	for _, m := range machines {
		is := "no"
		switch {
		case m.Here:
			is = "here"
		case m.Fits:
			is = "fits"
		}
		key := [2]string{is, m.Reason}
		at, known := index[key]
		if !known || apart {
			at = len(groups)
			index[key] = at
			groups = append(groups, verdicts{is: is, reason: m.Reason})
		}
		groups[at].machines = append(groups[at].machines, m)
	}
	order := []string{"here", "fits", "no"}
	slices.SortStableFunc(groups, func(a, b verdicts) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.is), slices.Index(order, b.is)),
			cmp.Compare(len(b.machines), len(a.machines)))
	})
	return groups
}
