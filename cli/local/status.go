package local

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/cli/local/lab"
)

// Status is `argosy status`.
func Status() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What the local machines are doing, and what is broken on purpose",
		Args:  usage(cobra.NoArgs),
	}
	name := named(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := lab.Open(*name)
		if err != nil {
			return coded(err)
		}
		all, err := c.Status(cmd.Context())
		if err != nil {
			return err
		}
		switch output {
		case "json":
			encoder := json.NewEncoder(cmd.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(all)
		case "table":
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			faulty := false
			for _, s := range all {
				faulty = faulty || s.Faults != ""
			}
			print := func(machine, state, address, etcd, fleet, faults string) {
				line := machine + "\t" + state + "\t" + address + "\t" + etcd + "\t" + fleet
				if faulty {
					line += "\t" + faults
				}
				fmt.Fprintln(table, line)
			}
			print("MACHINE", "STATE", "ADDRESS", "ETCD", "FLEET", "FAULTS")
			for _, s := range all {
				print(s.Machine, string(s.State), s.Address.String(), s.Etcd, s.Fleet, s.Faults)
			}
			return table.Flush()
		default:
			return cli.Coded(cli.ExitUsage, fmt.Errorf("output %q: expected table or json", output))
		}
	}
	return cmd
}
