package fleetd

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/edge/fleetconf"
)

// configCommand looks at the configuration and starts nothing.
func configCommand(s *sources) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or show the configuration", Args: nothing}
	var origin bool
	show := &cobra.Command{
		Use:   "show",
		Short: "Print every option and its value",
		Long: `show prints every option of fleet.conf(5) with its value, in the form of that
file. Secrets are not shown. Environment and options count as they would for a
fleetd that is started here and now: the one that runs may have others.`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := s.checked(cmd)
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			if origin {
				fmt.Fprintln(out, "OPTION\tVALUE\tORIGIN")
			}
			for _, setting := range settings.Settings() {
				if origin {
					fmt.Fprintf(out, "%s\t%s\t%s\n", setting.Name, setting.Shown(), setting.Origin)
				} else {
					fmt.Fprintf(out, "%s=%s\n", setting.Name, setting.Shown())
				}
			}
			return out.Flush()
		},
	}
	show.Flags().BoolVar(&origin, "origin", false, "say where each value comes from: FILE:LINE, variable, option or default")
	check := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with the configuration, if anything is",
		Long: `check prints remarks and faults to standard error, each with its file and line,
and ends with 2 where there is a fault. systemctl reload fleet begins with it, so
that a bad file changes nothing and the reload is said to have gone wrong.`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := s.checked(cmd)
			return err
		},
	}
	cmd.AddCommand(check, show)
	return cmd
}

// checked loads the configuration and prints the remarks on it.
func (s *sources) checked(cmd *cobra.Command) (fleetconf.Config, error) {
	config, notes, err := s.load()
	for _, note := range notes {
		fmt.Fprintln(cmd.ErrOrStderr(), note)
	}
	if err != nil {
		return fleetconf.Config{}, cli.Coded(cli.ExitUsage, err)
	}
	return config, nil
}
