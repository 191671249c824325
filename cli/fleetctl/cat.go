package fleetctl

import (
	"io"

	"github.com/spf13/cobra"
)

func cat(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cat UNIT",
		Short: "Print a unit's file as it was submitted",
		Args:  oneUnit,
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
			_, err = io.WriteString(s.out, answer.Unit.Text)
			return err
		}),
	}
	s.complete(cmd, anyUnit)
	return cmd
}
