// Package fleetctl is the command fleetctl, one file a verb: what an operator
// types to see and change the units of the cluster. Its verbs, flags, tables and
// messages are those of fleet 1.0; it waits for real outcomes, and its exit code
// tells them.
package fleetctl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"argosy/cli"
)

// New is the command fleetctl.
func New() *cobra.Command {
	// fleet's commands may be abbreviated.
	cobra.EnablePrefixMatching = true
	s := &session{}
	root := &cobra.Command{
		Use:   "fleetctl",
		Short: "See and change the units of the cluster",
		Long: `fleetctl starts, stops and shows the units of the whole cluster, as systemctl
does for one machine.

Every global flag may also be given in the environment: FLEETCTL_ENDPOINT stands
for --endpoint. Exit codes: 0 all well, 1 error, 2 wrong usage, 3 not found, 4 no
machine may run it now, 5 timed out, 6 units would move. status and journal pass on
the code of the command on the unit's machine.`,
		Version:       cli.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs, // so that RunE gets to say what is wrong
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Parent() != nil && cmd.Parent().Name() == "completion" || cmd.Name() == cobra.ShellCompRequestCmd {
				return nil // scripts ask nobody, and a completion opens the session itself
			}
			return s.open(cmd)
		},
	}
	root.SetVersionTemplate("fleetctl version {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if words := cmd.Flags().Args(); cmd == root && len(words) > 0 {
			return unknownCommand(cmd, words[0]) // whose flags could not be known
		}
		return cli.Coded(cli.ExitUsage, fmt.Errorf("%w\nsee '%s --help'", err, cmd.CommandPath()))
	})
	s.flags(root.PersistentFlags())
	for _, verb := range []*cobra.Command{
		submit(s), load(s), start(s), stop(s), unload(s), restart(s), destroy(s),
		cat(s), status(s), journal(s), logs(s), ssh(s), fdForward(),
		listUnits(s), listUnitFiles(s), listMachines(s), label(s), secret(s), policy(s), signUnits(s), why(s), version(), verify(), contextCommand(), login(s),
	} {
		root.AddCommand(s.closing(verb))
	}
	offer(root, "driver", words("API"))
	offer(root, "context", contextWords)
	root.SetHelpCommand(help(root))
	root.InitDefaultHelpCmd()
	return root
}

// unknownCommand says that no verb, or more than one, is meant by a word.
func unknownCommand(cmd *cobra.Command, name string) error {
	message := fmt.Sprintf("unknown command %q", name)
	var begin []string
	for _, verb := range cmd.Commands() {
		if verb.IsAvailableCommand() && strings.HasPrefix(verb.Name(), name) {
			begin = append(begin, verb.Name())
		}
	}
	if near := cmd.SuggestionsFor(name); len(begin) > 1 {
		message = fmt.Sprintf("%q may be %s", name, strings.Join(begin, ", "))
	} else if len(near) > 0 {
		message += fmt.Sprintf("; did you mean %s?", near[0])
	}
	return cli.Coded(cli.ExitUsage, fmt.Errorf("%s\nsee '%s --help'", message, cmd.CommandPath()))
}

// run makes a verb's function one of cobra's: its errors get their hints and
// exit codes.
func run(verb func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error { return explain(verb(cmd, args)) }
}

// closing has a verb end the session with itself, however it goes. What is in
// fleet's words is printed here as fleet printed it, without a name before it.
func (s *session) closing(verb *cobra.Command) *cobra.Command {
	if work := verb.RunE; work != nil {
		verb.RunE = func(cmd *cobra.Command, args []string) error {
			defer s.close()
			err := work(cmd, args)
			var said fleetError
			if errors.As(err, &said) {
				fmt.Fprintln(cmd.ErrOrStderr(), said)
				return ending(cli.Code(err))
			}
			return err
		}
	}
	return verb
}

// oneUnit asks for exactly one argument.
func oneUnit(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("one unit is expected, %d were given\nsee '%s --help'", len(args), cmd.CommandPath()))
	}
	return nil
}

// oneSocket asks for exactly one path.
func oneSocket(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("one socket is expected, %d were given\nsee '%s --help'", len(args), cmd.CommandPath()))
	}
	return nil
}

// nothing asks for no argument.
func nothing(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Coded(cli.ExitUsage, fmt.Errorf("unexpected %q\nsee '%s --help'", args[0], cmd.CommandPath()))
	}
	return nil
}

// ignored takes flags of fleet's that have nothing left to do, without showing them.
func ignored(flags *pflag.FlagSet, name, value, why string) {
	flags.String(name, value, "ignored: "+why)
	flags.Lookup(name).NoOptDefVal = value
	_ = flags.MarkHidden(name)
}

// fleetError is an error in fleet's own words, which begin with a capital.
type fleetError string

func (e fleetError) Error() string { return string(e) }

func fleets(format string, args ...any) error { return fleetError(fmt.Sprintf(format, args...)) }
