package fleetctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

func stop(s *session) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "stop UNIT...",
		Short: "Stop units, and leave them on their machines",
		Args:  cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.end(cmd.Context(), args, cluster.Loaded, w)
		}),
	}
	w.flags(cmd)
	s.complete(cmd, wantedSomewhere)
	return cmd
}

// end is stop and unload: want less of units that exist, and wait for it.
func (s *session) end(ctx context.Context, args []string, desired cluster.Desired, w waiting) error {
	if err := w.check(); err != nil {
		return err
	}
	changes, err := s.existing(ctx, args, desired)
	if err != nil {
		return err
	}
	s.desire(ctx, accepted(changes))
	verb, past := "stop", "stopped"
	if desired == cluster.Inactive {
		verb, past = "unload", "unloaded"
	}
	s.triggered(accepted(changes), verb, w.blocks())
	if !w.blocks() {
		return result(changes)
	}
	var well []string
	err = s.wait(ctx, w, accepted(changes), func(c *change, unit api.Unit) {
		switch {
		case s.overtaken(c, unit):
		case unit.Outcome == api.OutcomeFailed:
			c.code = cli.ExitError
			fmt.Fprintf(s.err, "Unit %s could not be %s: %s\n", c.name, past, unit.Reason)
		default:
			if !unit.Global {
				fmt.Fprintf(s.out, "Unit %s %s%s\n", c.name, desired, at(unit))
			}
			well = append(well, string(c.name))
		}
	})
	if len(well) > 0 {
		fmt.Fprintf(s.err, "Successfully %s units [%s].\n", past, strings.Join(well, " "))
	}
	if err != nil {
		return err
	}
	return result(changes)
}

// existing makes changes of units that the cluster has; of others the change
// holds the error, told already.
func (s *session) existing(ctx context.Context, args []string, desired cluster.Desired) ([]*change, error) {
	names, err := unitsNamed(args)
	if err != nil {
		return nil, err
	}
	answer, err := s.UnitsNamed(ctx, names)
	if err != nil {
		return nil, err
	}
	s.note(answer.Freshness)
	stored := map[cluster.UnitName]api.Unit{}
	for _, unit := range answer.Units {
		stored[unit.Name] = unit
	}
	var changes []*change
	for _, name := range names {
		c := &change{name: name, desired: desired}
		changes = append(changes, c)
		if unit, known := stored[name]; known && desired == cluster.Loaded && unit.Desired == cluster.Inactive {
			c.err = fleets("Unable to stop unit %s in state inactive", name)
			c.code = cli.ExitError
			fmt.Fprintln(s.err, c.err)
		}
	}
	return changes, nil
}
