package fleetctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

// shellFlags are those of the verb ssh.
type shellFlags struct {
	machine, unit string
	agent         bool
	port          int
}

// sshFailed is ssh's own exit code for a connection that failed.
const sshFailed = 255

func ssh(s *session) *cobra.Command {
	var f shellFlags
	cmd := &cobra.Command{
		Use:   "ssh MACHINE|UNIT [COMMAND...]",
		Short: "A shell or one command on a machine, or where a unit is",
		Long: `ssh connects to a machine with OpenSSH: to the one named by its hostname, address,
id or the beginning of that, or to the one that a unit is on. Without a command it is
a shell; a command's exit code is passed on, and 255 is a connection that failed.
With --machine or --unit all words are the command's.`,
		Args: cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error { return s.ssh(cmd, args, f) }),
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false) // what follows the machine is the command's, whatever it looks like
	s.machineFlag(cmd, &f.machine)
	flags.StringVar(&f.unit, "unit", "", "the machine that has this unit")
	flags.BoolVar(&f.agent, "forward-agent", false, "let the machine use the keys of the agent here")
	flags.BoolVar(&f.agent, "A", false, "the same as --forward-agent")
	_ = flags.MarkHidden("A")
	flags.IntVar(&f.port, "ssh-port", 22, "where sshd listens there")
	s.complete(cmd, wantedSomewhere)
	return cmd
}

func (s *session) ssh(cmd *cobra.Command, args []string, f shellFlags) error {
	word := ""
	switch {
	case f.machine != "" && f.unit != "":
		return cli.Coded(cli.ExitUsage, errors.New("--machine and --unit: give one of them"))
	case f.port < 1 || f.port > 65535:
		return cli.Coded(cli.ExitUsage, fmt.Errorf("--ssh-port is %d: expected 1 to 65535", f.port))
	case f.machine == "" && f.unit == "":
		if len(args) == 0 {
			return cli.Coded(cli.ExitUsage, fmt.Errorf("a machine or a unit is expected\nsee '%s --help'", cmd.CommandPath()))
		}
		word, args = args[0], args[1:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	machine, err := s.meant(cmd.Context(), word, f)
	if err != nil {
		return err
	}
	return s.shell(cmd, machine, f, args)
}

// meant is the machine that the words of ssh are about.
func (s *session) meant(ctx context.Context, word string, f shellFlags) (api.Presence, error) {
	switch {
	case f.machine != "":
		return s.machineNamed(ctx, f.machine)
	case f.unit != "":
		return s.machineOf(ctx, f.unit)
	}
	machine, noMachine := s.machineNamed(ctx, word)
	if noMachine != nil && !errors.Is(noMachine, cluster.ErrNotFound) {
		return machine, noMachine
	}
	unit, noUnit := s.machineOf(ctx, word)
	switch {
	case noMachine == nil && noUnit == nil:
		return unit, fmt.Errorf("%s is a machine and a unit: say --machine or --unit", word)
	case noMachine == nil:
		return machine, nil
	case errors.Is(noUnit, cluster.ErrNotFound):
		return unit, fmt.Errorf("%s: no machine and no unit on one is called so: %w", word, cluster.ErrNotFound)
	default:
		return unit, noUnit
	}
}

// machineOf is the one machine that has a unit.
func (s *session) machineOf(ctx context.Context, word string) (api.Presence, error) {
	name, err := unitNamed(word)
	if err != nil {
		return api.Presence{}, err
	}
	on, err := s.places(ctx, name, "")
	switch {
	case err != nil:
		return api.Presence{}, err
	case on[0].Machine == "":
		return api.Presence{}, fmt.Errorf("unit %s is on no machine: %w", name, cluster.ErrNotFound)
	case len(on) > 1:
		return api.Presence{}, fmt.Errorf("unit %s is on %d machines, among them %s and %s: say --machine", name, len(on), on[0].Called(), on[1].Called())
	}
	return on[0], nil
}

// shell runs ssh in the user's own terminal.
func (s *session) shell(cmd *cobra.Command, machine api.Presence, f shellFlags, command []string) error {
	host := cmp.Or(machine.IP, machine.Name)
	options, err := s.secure.through()
	if err == nil {
		err = s.secure.acquaint(host, f.port, options)
	}
	if errors.Is(err, errUnknownHost) {
		return cli.Coded(sshFailed, err)
	}
	if err != nil {
		return err
	}
	if f.agent {
		options = append(options, "-A")
	}
	arguments, err := s.secure.to(host, f.port, options, command...)
	if err != nil {
		return err
	}
	ssh, err := secured(arguments)
	if err != nil {
		return err
	}
	s.close() // a shell may last, and asks the API nothing
	ssh.Stdin, ssh.Stdout, ssh.Stderr = cmd.InOrStdin(), s.out, s.err
	err = ssh.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Exited() {
		return ending(ended.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("ssh to %s: %w", machine.Called(), err)
	}
	return nil
}
