package fleetctl

import (
	"fmt"

	"github.com/spf13/cobra"

	"argosy/cli"
)

func version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of fleetctl",
		Args:  nothing,
		// It asks nobody, so that it works whatever the flags say.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "fleetctl version %s\n", cli.Version)
		},
	}
}
