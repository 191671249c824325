package local

import (
	"fmt"

	"github.com/spf13/cobra"

	"argosy/cli/local/lab"
)

// Down is `argosy down`.
func Down() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Clear a local cluster away, its disks included",
		Long: `down ends the machines at once and removes all that up made, also after a crash
of up at any point. The base tree stays in /var/cache/argosy.`,
		Args: usage(cobra.NoArgs),
	}
	name := named(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		existed, err := lab.Down(cmd.Context(), *name, func() {
			fmt.Fprintln(cmd.ErrOrStderr(), "waiting for another argosy that works on this cluster")
		})
		if err == nil && !existed {
			fmt.Fprintf(cmd.OutOrStdout(), "there is no cluster %q\n", *name)
		}
		return err
	}
	return cmd
}
