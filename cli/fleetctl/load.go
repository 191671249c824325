package fleetctl

import (
	"github.com/spf13/cobra"

	"argosy/core/cluster"
)

func load(s *session) *cobra.Command {
	var w waiting
	var replace bool
	cmd := &cobra.Command{
		Use:   "load UNIT...",
		Short: "Place units on machines without starting them",
		Args:  cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.bring(cmd.Context(), args, cluster.Loaded, replace, w)
		}),
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "store the local file where it differs, unless the unit is launched")
	oldSign(cmd)
	s.completeFiles(cmd, noTemplate)
	return cmd
}
