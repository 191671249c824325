// Package fleetd is the command that runs fleet's daemon.
package fleetd

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/edge/fleetconf"
	"argosy/role/daemon"
)

// New is the command fleetd.
func New() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "fleetd",
		Short: "Make this machine part of the cluster: agent, API and, on members, engine",
		Long: `fleetd makes this machine's systemd match what the cluster placed on it and
serves fleet's API. It reads /etc/fleet/fleet.conf and FLEET_* variables.`,
		Args:          cobra.NoArgs,
		Version:       cli.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, notes, err := fleetconf.Load(config, os.Environ(), nil)
			if err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level(settings), ReplaceAttr: untimed}))
			for _, note := range notes {
				log.Warn("configuration", "note", note)
			}
			return daemon.Run(cmd.Context(), settings, cli.Version, log)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration file; it must exist when given (default "+fleetconf.DefaultPath+")")
	cmd.SetVersionTemplate("fleetd version {{.Version}}\n")
	cmd.AddCommand(&cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "fleetd version %s\n", cli.Version)
		},
	})
	cmd.SetArgs(twoDashes(os.Args[1:]))
	return cmd
}

func level(c fleetconf.Config) slog.Level {
	if c.Verbosity > 0 {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// untimed leaves the time to the journal, which has its own.
func untimed(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// twoDashes accepts the single dash that fleetd's options had.
func twoDashes(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if strings.HasPrefix(a, "-config") || a == "-version" {
			a = "-" + a
		}
		out[i] = a
	}
	return out
}
