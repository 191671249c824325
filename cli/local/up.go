package local

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/cli/local/lab"
)

// defaultMirror is Debian's own, which sends everyone to one nearby.
const defaultMirror = "http://deb.debian.org/debian"

// Up is `argosy up`.
func Up() *cobra.Command {
	var options lab.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make a local cluster, or mend what is missing of it",
		Long: `up boots machines core-01, core-02 ... on this host, each with a real systemd,
etcd and fleet, in a network of their own, and waits until they are one healthy
cluster. It needs root. A second up on a healthy cluster changes nothing; after a
crash or a kill it mends what is missing.

The first up builds the Debian tree that all machines share, from the mirror that
ARGOSY_MIRROR names (` + defaultMirror + ` unless set).`,
		Args: usage(cobra.NoArgs),
	}
	name := named(cmd)
	cmd.Flags().IntVar(&options.Machines, "machines", 0, "how many machines (default 3)")
	cmd.Flags().IntVar(&options.Members, "members", 0, "how many of them are members of etcd: an odd number (default at most 3)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("machines") && options.Machines < 1 {
			return cli.Coded(cli.ExitUsage, fmt.Errorf("--machines %d: a cluster has one machine or more", options.Machines))
		}
		options.Name = *name
		options.Mirror = cmp.Or(os.Getenv("ARGOSY_MIRROR"), defaultMirror)
		var err error
		if options.Binary, err = os.Executable(); err != nil {
			return err
		}
		progress := newProgress(os.Stderr)
		c, changed, err := lab.Up(cmd.Context(), options, progress)
		if err == nil {
			err = c.Greet(cmd.Context(), progress)
		}
		progress.end(err)
		if cmd.Context().Err() != nil {
			return fmt.Errorf("interrupted: `argosy up --name %s` goes on from here, `argosy down --name %s` clears away what there is", *name, *name)
		}
		if err != nil {
			return coded(err)
		}
		if !changed {
			fmt.Fprintf(cmd.OutOrStdout(), "cluster %q is up and healthy: nothing was changed\n", *name)
		}
		tables, err := c.Tables(cmd.Context())
		fmt.Fprint(cmd.OutOrStdout(), tables)
		return err
	}
	return cmd
}
