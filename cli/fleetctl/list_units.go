package fleetctl

import (
	"cmp"

	"github.com/spf13/cobra"

	"argosy/core/api"
)

const (
	unitFields     = "unit,machine,active,sub" // fleet's own
	unitFieldsWide = "unit,machine,load,active,sub,result,hash,problem"
)

var unitColumns = []column[api.State]{
	{"unit", func(s api.State, _ bool) string { return string(s.Unit) }},
	{"machine", func(s api.State, full bool) string { return machineAt(s.Machine, s.IP, full) }},
	{"load", func(s api.State, _ bool) string { return dash(s.Load) }},
	{"active", func(s api.State, _ bool) string { return dash(s.Active) }},
	{"sub", func(s api.State, _ bool) string { return dash(s.Sub) }},
	{"hash", func(s api.State, full bool) string { return hash(s.Hash, full) }},
	{"result", func(s api.State, _ bool) string { return dash(s.Result) }},
	{"problem", func(s api.State, _ bool) string { return dash(cmp.Or(s.Problem, s.Note)) }},
}

func listUnits(s *session) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list-units",
		Short: "List what systemd says of the units, on each machine that has them",
		Args:  nothing,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			answer, err := s.States(cmd.Context())
			if err != nil {
				return err
			}
			s.note(answer.Freshness)
			return show(s.out, l, unitColumns, answer.States, answer)
		}),
	}
	l.flags(cmd, unitFields, unitFieldsWide, named(unitColumns))
	l.short(cmd)
	return cmd
}
