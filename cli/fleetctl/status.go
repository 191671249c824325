package fleetctl

import (
	"fmt"

	"github.com/spf13/cobra"

	"argosy/cli"
)

func status(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status UNIT...",
		Short: "Print what systemctl status says of units on their machines",
		Args:  cobra.ArbitraryArgs,
		RunE:  run(func(cmd *cobra.Command, args []string) error { return s.status(cmd, args) }),
	}
	ignored(cmd.Flags(), "ssh-port", "22", "no ssh is needed")
	return cmd
}

// status shows each unit; its exit code is that of the first that is not well.
func (s *session) status(cmd *cobra.Command, args []string) error {
	names, err := unitsNamed(args)
	if err != nil {
		return err
	}
	code := cli.ExitOK
	for i, name := range names {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		exit, err := s.Status(cmd.Context(), name, "", s.out)
		if err != nil {
			err = explain(err)
			fmt.Fprintln(s.err, err)
			exit = cli.Code(err)
		}
		if code == cli.ExitOK {
			code = exit
		}
	}
	return ending(code)
}

// ending is the end of a command that has said everything already.
func ending(code int) error {
	if code == cli.ExitOK {
		return nil
	}
	return cli.Coded(code, nil)
}
