package local

import (
	"os"

	"github.com/spf13/cobra"

	"argosy/cli/local/lab"
)

// SSH is `argosy ssh`.
func SSH() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh [--name CLUSTER] MACHINE [-- [SSH OPTION...] [COMMAND...]]",
		Short: "A shell or one command on a machine, as the user core",
		Long: `ssh connects to a machine with OpenSSH. Without a command it is a shell. A command
of one word is a line for the machine's shell; of several words it is run with
exactly these words. stdin, stdout, stderr and the exit code are the command's.
Words after -- that begin with - are options of ssh itself.`,
		Example: `  argosy ssh core-01
  argosy ssh core-01 -- -A
  argosy ssh core-01 -- 'journalctl -u fleet | tail'
  argosy ssh core-01 -- docker ps --format '{{.Names}} {{.Image}}'`,
		Args: usage(cobra.MinimumNArgs(1)),
	}
	name := named(cmd)
	cmd.ValidArgsFunction = machineNames(name)
	// What follows the machine is the command's, whatever it looks like.
	cmd.Flags().SetInterspersed(false)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		c, err := lab.Open(*name)
		if err != nil {
			return coded(err)
		}
		var options []string
		command := args[1:]
		if len(command) > 0 && command[0] == "--" {
			options, command = lab.SplitOptions(command[1:])
		}
		return coded(c.SSH(args[0], options, command, os.Environ()))
	}
	return cmd
}
