package fleetctl

import (
	"context"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

// reading holds the flags of the verbs that read journals.
type reading struct {
	api.JournalOptions
	machine string
}

func journal(s *session) *cobra.Command {
	var r reading
	cmd := &cobra.Command{
		Use:   "journal UNIT",
		Short: "Print what a unit has logged on its machine",
		Long: `journal prints the last lines that a unit has logged; of a unit on several
machines, those of each under a heading with the machine's name. With --follow it
goes on as the verb logs does.`,
		Args: oneUnit,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.journal(cmd.Context(), args[0], r)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVarP(&r.Follow, "follow", "f", false, "go on with what the unit logs from now on")
	flags.BoolVar(&r.Follow, "f", false, "the same as --follow")
	_ = flags.MarkHidden("f")
	s.readingFlags(cmd, &r)
	ignored(flags, "sudo", "true", "fleetd may read every journal")
	ignored(flags, "ssh-port", "22", "no ssh is needed")
	return cmd
}

func logs(s *session) *cobra.Command {
	r := reading{JournalOptions: api.JournalOptions{Follow: true}}
	cmd := &cobra.Command{
		Use:   "logs UNIT",
		Short: "Follow what a unit logs, wherever it runs",
		Long: `logs prints the last lines that a unit has logged, and goes on with what it logs
from now on, on all the machines that have it. It follows the unit to another
machine, and waits for one that is on no machine. Once several machines have a
part in it, each line begins with the machine's name, but for --output=json,
whose lines carry _HOSTNAME.`,
		Args: oneUnit,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.journal(cmd.Context(), args[0], r)
		}),
	}
	s.readingFlags(cmd, &r)
	return cmd
}

func (s *session) readingFlags(cmd *cobra.Command, r *reading) {
	flags := cmd.Flags()
	flags.IntVarP(&r.Lines, "lines", "n", api.DefaultLines, "how many of the last lines to print")
	flags.StringVarP(&r.Output, "output", "o", "short", "a format of journalctl(1)")
	offer(cmd, "output", words(api.JournalOutputs()...))
	s.machineFlag(cmd, &r.machine)
	s.complete(cmd, noTemplate)
}

func (s *session) journal(ctx context.Context, arg string, r reading) error {
	name, err := unitNamed(arg)
	if err != nil {
		return err
	}
	if err := r.Valid(); err != nil {
		return cli.Coded(cli.ExitUsage, explain(err))
	}
	on, err := s.places(ctx, name, r.machine)
	if err != nil {
		return err
	}
	if r.Follow {
		var only cluster.MachineID
		if r.machine != "" {
			only = on[0].Machine
		}
		return s.follow(ctx, name, only, r.JournalOptions)
	}
	return ending(s.everywhere(name, on, func(id cluster.MachineID) (int, error) {
		return s.Journal(ctx, name, id, r.JournalOptions, s.out)
	}))
}
