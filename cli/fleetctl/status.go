package fleetctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/cluster"
)

func status(s *session) *cobra.Command {
	var machine string
	cmd := &cobra.Command{
		Use:   "status UNIT...",
		Short: "Print what systemctl status says of units on their machines",
		Long: `status prints what systemctl status says of each unit on its machine; of a unit
on several machines, each under a heading with the machine's name.`,
		Args: cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.status(cmd.Context(), args, machine)
		}),
	}
	s.machineFlag(cmd, &machine)
	ignored(cmd.Flags(), "ssh-port", "22", "no ssh is needed")
	s.complete(cmd, wantedSomewhere)
	return cmd
}

// machineFlag adds the flag that keeps a verb to one machine.
func (s *session) machineFlag(cmd *cobra.Command, machine *string) {
	cmd.Flags().StringVar(machine, "machine", "", "only on this machine: its hostname, address, id or the beginning of that")
	offer(cmd, "machine", s.machineWords)
}

// status shows each unit; its exit code is that of the first that is not well.
func (s *session) status(ctx context.Context, args []string, machine string) error {
	names, err := unitsNamed(args)
	if err != nil {
		return err
	}
	code := cli.ExitOK
	for i, name := range names {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		exit := s.statusOf(ctx, name, machine)
		if code == cli.ExitOK {
			code = exit
		}
	}
	return ending(code)
}

func (s *session) statusOf(ctx context.Context, name cluster.UnitName, machine string) int {
	on, err := s.places(ctx, name, machine)
	if err != nil {
		return s.tell(err)
	}
	return s.everywhere(name, on, func(id cluster.MachineID) (int, error) {
		return s.Status(ctx, name, id, s.out)
	})
}

// ending is the end of a command that has said everything already.
func ending(code int) error {
	if code == cli.ExitOK {
		return nil
	}
	return cli.Coded(code, nil)
}
