package fleetctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"argosy/core/api"
	"argosy/core/cluster"
)

func submit(s *session) *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:   "submit UNIT...",
		Short: "Store units in the cluster without placing them",
		Args:  cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.submit(cmd.Context(), args, replace)
		}),
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "store the local file where it differs, unless the unit is on a machine")
	oldSign(cmd)
	s.completeFiles(cmd, anyUnit)
	return cmd
}

// submit stores what is new. What is stored already stays as far as it has come.
func (s *session) submit(ctx context.Context, args []string, replace bool) error {
	orders, err := s.resolve(ctx, args, cluster.Inactive, replace)
	if err != nil {
		return err
	}
	wanted := map[cluster.UnitName]order{}
	var changes []*change
	for _, o := range orders {
		if o.unit != nil {
			wanted[o.name] = o
			changes = append(changes, &change{name: o.name})
		}
	}
	s.each(changes, func(c *change) (api.Written, error) {
		return s.SetUnit(ctx, c.name, wanted[c.name].change(cluster.Inactive))
	})
	for _, c := range accepted(changes) {
		fmt.Fprintf(s.out, "Unit %s %s\n", c.name, c.written.Desired)
	}
	return result(changes)
}
