package fleetctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
)

func destroy(s *session) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "destroy UNIT...",
		Short: "Stop units and take them out of the cluster, files and all",
		Args:  cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.destroy(cmd.Context(), args, w)
		}),
	}
	w.flags(cmd)
	s.complete(cmd, anyUnit)
	return cmd
}

func (s *session) destroy(ctx context.Context, args []string, w waiting) error {
	if err := w.check(); err != nil {
		return err
	}
	names, err := unitsNamed(args)
	if err != nil {
		return err
	}
	var changes []*change
	for _, name := range names {
		changes = append(changes, &change{name: name})
	}
	s.each(changes, func(c *change) (api.Written, error) { return s.Destroy(ctx, c.name) })
	if !w.blocks() {
		for _, c := range accepted(changes) {
			fmt.Fprintf(s.out, "Destroyed %s\n", c.name)
		}
		return result(changes)
	}
	err = s.wait(ctx, w, accepted(changes), func(c *change, unit api.Unit) {
		switch {
		case unit.Outcome == api.OutcomeGone:
			fmt.Fprintf(s.out, "Destroyed %s\n", c.name)
		case unit.Desired != "":
			fmt.Fprintf(s.out, "Destroyed %s\n", c.name)
			fmt.Fprintf(s.err, "Unit %s: made anew meanwhile by %s\n", c.name, unit.By)
		default:
			c.code = cli.ExitError
			fmt.Fprintf(s.err, "Unit %s is out of the cluster, but: %s\n", c.name, unit.Reason)
		}
	})
	if err != nil {
		return err
	}
	return result(changes)
}
