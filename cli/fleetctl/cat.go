package fleetctl

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func cat(s *session) *cobra.Command {
	var dropIns bool
	cmd := &cobra.Command{
		Use:   "cat UNIT",
		Short: "Print a unit's file as it was submitted",
		Long: `cat prints a unit's own file byte for byte as it was submitted. With --drop-ins it
prints the files of its NAME.d behind it, each under its name, as systemctl cat does.`,
		Args: oneUnit,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			name, err := unitNamed(args[0])
			if err != nil {
				return err
			}
			answer, err := s.Unit(cmd.Context(), name)
			if err != nil {
				return err
			}
			s.note(answer.Freshness)
			unit := answer.Unit.Bundle()
			shown := unit.Text
			if dropIns {
				shown = unit.Print(string(name))
			} else if len(unit.DropIns) > 0 {
				fmt.Fprintf(s.err, "(%s has drop-ins: --drop-ins shows them)\n", name)
			}
			_, err = io.WriteString(s.out, shown)
			return err
		}),
	}
	cmd.Flags().BoolVar(&dropIns, "drop-ins", false, "print the drop-ins too, each file under its name")
	s.complete(cmd, anyUnit)
	return cmd
}
