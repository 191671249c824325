package fleetctl

import (
	"strconv"

	"github.com/spf13/cobra"

	"argosy/core/api"
)

const (
	unitFileFields     = "unit,hash,dstate,state,target" // fleet's own
	unitFileFieldsWide = "unit,hash,dstate,state,target,outcome,reason,desc"
)

var unitFileColumns = []column[api.Unit]{
	{"unit", func(u api.Unit, _ bool) string { return string(u.Name) }},
	{"hash", func(u api.Unit, full bool) string { return hash(u.Hash, full) }},
	{"dstate", func(u api.Unit, _ bool) string { return dash(string(u.Desired)) }},
	{"state", func(u api.Unit, _ bool) string { return dash(string(u.Current)) }},
	{"target", target},
	{"tmachine", target}, // fleet's earlier name of target
	{"global", func(u api.Unit, _ bool) string { return strconv.FormatBool(u.Global) }},
	{"desc", func(u api.Unit, _ bool) string { return dash(u.Description) }},
	{"outcome", func(u api.Unit, _ bool) string { return string(u.Outcome) }},
	{"reason", func(u api.Unit, _ bool) string { return dash(u.Reason) }},
}

func listUnitFiles(s *session) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list-unit-files",
		Short: "List the units that the cluster knows, what is wanted of them and where they are",
		Args:  nothing,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			answer, err := s.Units(cmd.Context())
			if err != nil {
				return err
			}
			s.note(answer.Freshness)
			return show(s.out, l, unitFileColumns, answer.Units, answer)
		}),
	}
	l.flags(cmd, unitFileFields, unitFileFieldsWide, named(unitFileColumns))
	return cmd
}
