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
	var s sources
	cmd := &cobra.Command{
		Use:   "fleetd",
		Short: "Make this machine part of the cluster: agent, API and, on members, engine",
		Long: `fleetd makes this machine's systemd match what the cluster placed on it and
serves fleet's API. It reads fleet.conf(5), then FLEET_* variables, then its
options, each overruling the one before; fleetd config show --origin tells what
came of them.

SIGHUP (systemctl reload fleet) has it read them again: what can change while it
runs does, no unit is touched, and what must wait for a restart is named in the
log. SIGUSR1 writes its state to standard output as one line of JSON. SIGTERM
ends it: systemctl stop has the machine leave the cluster, a restart touches no
unit.`,
		Args:          nothing,
		Version:       cli.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, notes, err := s.load()
			if err != nil {
				return cli.Coded(cli.ExitUsage, err)
			}
			level := &slog.LevelVar{}
			log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: untimed}))
			for _, note := range notes {
				log.Warn("configuration", "note", note)
			}
			return daemon.Run(cmd.Context(), daemon.Config{
				Settings: settings, Load: s.load, Version: cli.Version, Log: log, Level: level, State: os.Stdout,
			})
		},
	}
	s.flags(cmd)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cli.Coded(cli.ExitUsage, err) })
	cmd.SetVersionTemplate("fleetd version {{.Version}}\n")
	cmd.AddCommand(configCommand(&s), &cobra.Command{
		Use: "version", Short: "Print the version", Args: nothing,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "fleetd version %s\n", cli.Version)
		},
	})
	cmd.SetArgs(twoDashes(os.Args[1:]))
	return cmd
}

// nothing is for commands that take no words.
func nothing(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return cli.Coded(cli.ExitUsage, err)
	}
	return nil
}

// sources are where the configuration comes from, beside the environment.
type sources struct {
	file  string
	given map[string]string // by flags
}

func (s *sources) flags(cmd *cobra.Command) {
	s.given = map[string]string{}
	cmd.PersistentFlags().StringVar(&s.file, "config", "", "configuration `FILE`; it must exist when given (default "+fleetconf.DefaultPath+")")
	for _, name := range fleetconf.Names() {
		cmd.PersistentFlags().Var(given{s.given, name}, name, "overrule "+name+" of fleet.conf(5)")
	}
}

func (s *sources) load() (fleetconf.Config, []string, error) {
	return fleetconf.Load(s.file, os.Environ(), s.given)
}

// given notes the value of one option; fleetconf judges it.
type given struct {
	values map[string]string
	name   string
}

func (g given) Set(value string) error { g.values[g.name] = value; return nil }
func (g given) String() string         { return "" }
func (g given) Type() string           { return "value" }

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
		if len(a) > 2 && a[0] == '-' && a[1] != '-' && strings.ContainsFunc(a[1:2], func(r rune) bool { return r >= 'a' && r <= 'z' }) {
			a = "-" + a
		}
		out[i] = a
	}
	return out
}
