package setup

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"argosy/core/access"
	"argosy/edge/authority"
)

func caCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "ca",
		Short: "The cluster's authorities, and this machine's certificates",
	}
	command.AddCommand(caRenew(), caRevoke(), caRotate(), caStatus())
	return command
}

func caRenew() *cobra.Command {
	return &cobra.Command{
		Use:   "renew",
		Short: "Renew this member's certificates that have a third of their life left, or less",
		Long: `renew has a member sign its own certificates anew, with the authorities' keys that it
has: it needs no other machine and nothing that runs. etcd.service calls it before each
start, so that a cluster that was off until all its certificates had ended comes back by
itself. While fleet runs it renews them in time, workers' too, which this command leaves
alone.`,
		Args: usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			folder := authority.DefaultFolder
			if !folder.Signs() {
				return nil
			}
			due, _, err := folder.Due(time.Now(), 0)
			faults := []error{err}
			for _, name := range due {
				err := folder.RenewOwn(name)
				if err == nil {
					fmt.Fprintf(command.OutOrStdout(), "renewed %s\n", folder.CertificateFile(name))
				}
				faults = append(faults, err)
			}
			return errors.Join(faults...)
		},
	}
}

func caStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the authorities and this machine's certificates, and when they end",
		Args:  usage(cobra.NoArgs),
		RunE: func(command *cobra.Command, _ []string) error {
			folder := authority.DefaultFolder
			table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "CERTIFICATE\tOF\tENDS\tISSUED BY")
			bundle, err := os.ReadFile(folder.BundleFile())
			if err != nil {
				return fmt.Errorf("read the cluster's authorities: %w", err)
			}
			authorities, err := authority.Authorities(bundle)
			if err != nil {
				return err
			}
			for _, a := range authorities {
				fmt.Fprintf(table, "authority\tthe cluster\t%s\t%s\n", ends(a), a.By)
			}
			peers, err := folder.PeerAuthorities()
			if err != nil {
				return err
			}
			for _, a := range peers {
				fmt.Fprintf(table, "authority\tthe store's members\t%s\t%s\n", ends(a), a.By)
			}
			for _, name := range folder.Names() {
				held, err := folder.Held(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, held.Who, ends(held), held.By)
			}
			return table.Flush()
		},
	}
}

// ends is when a certificate ends, and a warning where that is soon.
func ends(held access.Held) string {
	text := held.Until.UTC().Format(time.RFC3339)
	switch now := time.Now(); {
	case now.After(held.Until):
		return text + " (it has ended)"
	case access.EndsSoon(held.From, held.Until, now):
		return text + " (soon: it was not renewed)"
	}
	return text
}
