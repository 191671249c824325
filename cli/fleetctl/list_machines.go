package fleetctl

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"argosy/core/api"
	"argosy/core/cluster"
)

const (
	machineFields     = "machine,ip,metadata" // fleet's own
	machineFieldsWide = "machine,hostname,ip,member,version,metadata"
)

var machineColumns = []column[api.Machine]{
	{"machine", func(m api.Machine, full bool) string { return machineID(m.ID, full) }},
	{"ip", func(m api.Machine, _ bool) string { return dash(m.IP) }},
	{"metadata", func(m api.Machine, _ bool) string { return metadata(m.Metadata) }},
	{"hostname", func(m api.Machine, _ bool) string { return dash(m.Name) }},
	{"member", func(m api.Machine, _ bool) string { return strconv.FormatBool(m.Member) }},
	{"version", func(m api.Machine, _ bool) string { return dash(m.Versions["argosy"]) }},
	{"agent", func(m api.Machine, _ bool) string { return agent(m) }},
	{"away", func(m api.Machine, _ bool) string { return strconv.FormatBool(m.Away) }},
}

func metadata(m map[string]string) string {
	var pairs []string
	for _, key := range cluster.SortedMetadata(m) {
		pairs = append(pairs, key+"="+m[key])
	}
	return dash(strings.Join(pairs, ","))
}

// agent says whether a machine's agent is heard of.
func agent(m api.Machine) string {
	switch {
	case m.OutOfTouch:
		return "out-of-touch"
	case m.Away:
		return "-"
	}
	return "in-touch"
}

func listMachines(s *session) *cobra.Command {
	var l listing
	var all bool
	cmd := &cobra.Command{
		Use:   "list-machines",
		Short: "List the machines of the cluster",
		Args:  nothing,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return err
			}
			ask := s.Machines
			if all {
				ask = s.MachinesAndAway
				if !cmd.Flags().Changed("fields") {
					l.fields, l.wide = l.fields+",away", l.wide+",away"
				}
			}
			answer, err := ask(cmd.Context())
			if err != nil {
				return err
			}
			s.note(answer.Freshness)
			if slices.ContainsFunc(answer.Machines, func(m api.Machine) bool { return m.OutOfTouch }) && !cmd.Flags().Changed("fields") {
				l.fields, l.wide = l.fields+",agent", l.wide+",agent"
			}
			for _, m := range answer.Machines {
				if m.OutOfTouch {
					s.warn("%s: its agent is out of touch, its kernel answers; its units stay where they are", cmp.Or(m.Name, string(m.ID)))
				}
				if m.Note != "" {
					s.warn("%s: %s", m.Name, m.Note)
				}
			}
			return show(s.out, l, machineColumns, answer.Machines, answer)
		}),
	}
	l.flags(cmd, machineFields, machineFieldsWide, named(machineColumns))
	l.short(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "also those that are away and have labels; they may never have been seen")
	return cmd
}
