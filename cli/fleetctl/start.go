package fleetctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
)

func start(s *session) *cobra.Command {
	var w waiting
	var replace bool
	cmd := &cobra.Command{
		Use:   "start UNIT...",
		Short: "Have units run somewhere in the cluster, and wait until they do",
		Long: `start stores each unit, if it is new, has the cluster place and start it, and waits
for the outcome. It ends with 0 when all units are active or have run to a good end, with
1 when one failed (the last lines of its journal are shown), with 4 when no machine may
run it now (it starts as soon as one may), and with 5 when it takes longer than --timeout.

Where a file differs from what is stored, the difference is shown and the stored one
is started. With --replace the file is stored and takes effect where the unit is. A
template may be named then: all its stored instances take its text and stay as far as
they are.`,
		Args: cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.bring(cmd.Context(), args, cluster.Launched, replace, w)
		}),
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "store the local file where it differs from what is stored")
	oldSign(cmd)
	s.completeFiles(cmd, noTemplate)
	return cmd
}

// bring is start and load: store what is new, want it, wait for it.
func (s *session) bring(ctx context.Context, args []string, desired cluster.Desired, replace bool, w waiting) error {
	if err := w.check(); err != nil {
		return err
	}
	orders, err := s.resolve(ctx, args, desired, replace)
	if err != nil {
		return err
	}
	wanted := map[cluster.UnitName]order{}
	var changes []*change
	for _, o := range orders {
		wanted[o.name] = o
		changes = append(changes, &change{name: o.name, desired: o.desired})
	}
	s.each(changes, func(c *change) (api.Written, error) {
		return s.SetUnit(ctx, c.name, wanted[c.name].change(c.desired))
	})
	verbs := map[cluster.Desired]string{cluster.Launched: "start", cluster.Loaded: "load"}
	bound := s.stored(accepted(changes))
	for _, c := range bound {
		s.triggered([]*change{c}, verbs[c.desired], w.blocks())
	}
	if !w.blocks() {
		return result(changes)
	}
	if err := s.arrive(ctx, bound, w); err != nil {
		return err
	}
	return result(changes)
}

// stored tells of what was only to be stored, templates above all, and returns
// the rest, which is bound for machines.
func (s *session) stored(changes []*change) (bound []*change) {
	for _, c := range changes {
		if c.desired == cluster.Inactive {
			fmt.Fprintf(s.out, "Unit %s %s\n", c.name, c.desired)
		} else {
			bound = append(bound, c)
		}
	}
	return bound
}

// arrive waits until units are as far as desired, and tells how they are then.
func (s *session) arrive(ctx context.Context, changes []*change, w waiting) error {
	var failed []api.Unit
	err := s.wait(ctx, w, changes, func(c *change, unit api.Unit) {
		if !s.overtaken(c, unit) && s.brought(c, unit) {
			failed = append(failed, unit)
		}
	})
	for _, unit := range failed {
		s.lastWords(ctx, unit.Name, unit.Culprit())
	}
	return err
}

// triggered says that something has been asked for, in fleet's words: of global
// units always, of others where nobody waits.
func (s *session) triggered(changes []*change, verb string, waited bool) {
	for _, c := range changes {
		switch {
		case c.written.Global:
			fmt.Fprintf(s.out, "Triggered global unit %s %s\n", c.name, verb)
		case !waited:
			fmt.Fprintf(s.out, "Triggered unit %s %s\n", c.name, verb)
		}
	}
}

// brought tells a unit's outcome, and says whether it failed.
func (s *session) brought(c *change, unit api.Unit) (failed bool) {
	if at := at(unit); at != "" && !unit.Global {
		fmt.Fprintf(s.out, "Unit %s %s%s\n", c.name, unit.Desired, at)
	}
	for _, on := range unit.On {
		if on.State != nil && on.State.Note != "" {
			s.warn("%s on %s: %s", c.name, on.Called(), on.State.Note)
		}
	}
	switch unit.Outcome {
	case api.OutcomeDone:
		fmt.Fprintf(s.err, "Unit %s has ended: %s\n", c.name, unit.Reason)
	case api.OutcomeUnplaced:
		c.code = cli.ExitUnplaceable
		fmt.Fprintf(s.err, "Unit %s is on no machine: %s; it starts as soon as a machine fits\n", c.name, unit.Reason)
	case api.OutcomeFailed:
		c.code = cli.ExitError
		fmt.Fprintf(s.err, "Unit %s failed: %s\n", c.name, unit.Reason)
		return true
	}
	return false
}

// lastWords shows the end of a failed unit's journal, on a machine where it failed.
func (s *session) lastWords(ctx context.Context, unit cluster.UnitName, machine cluster.MachineID) {
	fmt.Fprintf(s.err, "The last lines of the journal of %s:\n", unit)
	if _, err := s.Journal(ctx, unit, machine, api.JournalOptions{Lines: api.DefaultLines}, s.err); err != nil {
		fmt.Fprintf(s.err, "(%v)\n", err)
	}
}
