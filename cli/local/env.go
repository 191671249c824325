package local

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"argosy/cli/local/lab"
)

// Env is `argosy env`.
func Env() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Point fleetctl and etcdctl at the local cluster",
		Long: `env prints lines for a shell of root's, because the machines' sockets are open
to root alone. They hold until the machine that they name boots again.`,
		Example: `  eval "$(argosy env)"`,
		Args:    usage(cobra.NoArgs),
	}
	name := named(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := lab.Open(*name)
		if err != nil {
			return coded(err)
		}
		variables, err := c.Environment(os.Getenv("PATH"))
		for _, v := range variables {
			fmt.Fprintf(cmd.OutOrStdout(), "export %s='%s'\n", v.Name, v.Value)
		}
		return err
	}
	return cmd
}
