package fleetctl

import (
	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
)

func journal(s *session) *cobra.Command {
	var options api.JournalOptions
	cmd := &cobra.Command{
		Use:   "journal UNIT",
		Short: "Print what a unit has logged on its machine",
		Args:  oneUnit,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			name, err := unitNamed(args[0])
			if err != nil {
				return err
			}
			if err := options.Valid(); err != nil {
				return cli.Coded(cli.ExitUsage, explain(err))
			}
			code, err := s.Journal(cmd.Context(), name, "", options, s.out)
			if err != nil && options.Follow && cmd.Context().Err() != nil {
				return nil // stopped by hand, as it must be
			}
			if err != nil {
				return err
			}
			return ending(code)
		}),
	}
	flags := cmd.Flags()
	flags.IntVarP(&options.Lines, "lines", "n", api.DefaultLines, "how many of the last lines to print")
	flags.BoolVarP(&options.Follow, "follow", "f", false, "go on with what the unit logs from now on")
	flags.BoolVar(&options.Follow, "f", false, "the same as --follow")
	flags.StringVarP(&options.Output, "output", "o", "short", "a format of journalctl(1)")
	_ = flags.MarkHidden("f")
	ignored(flags, "sudo", "true", "fleetd may read every journal")
	ignored(flags, "ssh-port", "22", "no ssh is needed")
	return cmd
}
