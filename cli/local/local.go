// Package local is the commands for the local cluster: one file a verb.
package local

import (
	"fmt"

	"errors"
	"os"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/cli/local/lab"
	"argosy/edge/nspawn"
)

// Commands are all of them, for `argosy`.
func Commands() []*cobra.Command {
	return []*cobra.Command{Up(), Down(), SSH(), Chaos(), Status(), Env(), stage()}
}

// named adds the flag that says which cluster a command is about. ARGOSY_NAME
// says it for all commands of a shell.
func named(cmd *cobra.Command) *string {
	standard := os.Getenv("ARGOSY_NAME")
	if standard == "" {
		standard = "local"
	}
	return cmd.PersistentFlags().String("name", standard, "the cluster's name; the environment variable ARGOSY_NAME gives the default")
}

// coded gives errors of package lab their exit codes.
func coded(err error) error {
	var unknown *lab.UnknownMachineError
	if errors.Is(err, lab.ErrNone) || errors.As(err, &unknown) {
		return cli.Coded(cli.ExitNotFound, err)
	}
	return err
}

// usage gives a wrong number of arguments its exit code.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return cli.Coded(cli.ExitUsage, fmt.Errorf("%w: expected %s", err, cmd.UseLine()))
		}
		return nil
	}
}

// stage is the hidden command by which this binary starts machines.
func stage() *cobra.Command {
	return &cobra.Command{
		Use: nspawn.Subcommand + " STAGE FOLDER", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return nspawn.Stage(cmd.Context(), args[0], args[1])
		},
	}
}

// machineNames completes the names of the machines that there are.
func machineNames(name *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, err := lab.Open(*name)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.Names(), cobra.ShellCompDirectiveNoFileComp
	}
}
