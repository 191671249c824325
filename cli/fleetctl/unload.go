package fleetctl

import (
	"github.com/spf13/cobra"

	"argosy/core/cluster"
)

func unload(s *session) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "unload UNIT...",
		Short: "Stop units and take them off their machines; the cluster keeps their files",
		Args:  cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.end(cmd.Context(), args, cluster.Inactive, w)
		}),
	}
	w.flags(cmd)
	s.complete(cmd, wantedSomewhere)
	return cmd
}
