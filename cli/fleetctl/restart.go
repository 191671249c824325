package fleetctl

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"argosy/core/api"
	"argosy/core/cluster"
)

func restart(s *session) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "restart UNIT...",
		Short: "Restart units where they are, one after another",
		Long: `restart has each unit stopped and started on its machine, and waits for the outcome
before it goes on to the next: what runs twice goes on running once. A global unit is
restarted on one machine after another. Where one does not come up well the rest is
left alone, and named. A unit that does not run is started. --timeout is for each
unit, and for each machine of a global unit. With --no-block nothing waits: all
restart at once.`,
		Args: cobra.ArbitraryArgs,
		RunE: run(func(cmd *cobra.Command, args []string) error {
			return s.restart(cmd.Context(), args, w)
		}),
	}
	w.flags(cmd)
	s.complete(cmd, noTemplate)
	return cmd
}

func (s *session) restart(ctx context.Context, args []string, w waiting) error {
	if err := w.check(); err != nil {
		return err
	}
	names, err := unitsNamed(args)
	if err != nil {
		return err
	}
	answer, err := s.UnitsNamed(ctx, names)
	if err != nil {
		return err
	}
	s.note(answer.Freshness)
	stored := map[cluster.UnitName]api.Unit{}
	for _, unit := range answer.Units {
		stored[unit.Name] = unit
	}
	var changes []*change
	for _, name := range names {
		changes = append(changes, &change{name: name, desired: cluster.Launched})
	}
	again := func(c *change) (api.Written, error) {
		return s.SetUnit(ctx, c.name, api.UnitChange{Desired: cluster.Launched, Supersede: stored[c.name].Generation})
	}
	if !w.blocks() {
		s.each(changes, again)
		s.triggered(accepted(changes), "restart", false)
		return result(changes)
	}
	return s.inTurn(changes, func(c *change) error {
		if unit := stored[c.name]; unit.Global && unit.Desired == cluster.Launched {
			return s.roll(ctx, c, unit, w)
		}
		return s.restartOne(ctx, c, again, w)
	})
}

// inTurn does one change after another, and leaves the rest where one does not go well.
func (s *session) inTurn(changes []*change, do func(*change) error) error {
	for i, c := range changes {
		if err := do(c); err != nil {
			return err
		}
		if rest := changes[i+1:]; c.code != 0 && len(rest) > 0 {
			var names []cluster.UnitName
			for _, left := range rest {
				names = append(names, left.name)
			}
			fmt.Fprintf(s.err, "Not restarted: %v\n", names)
			break
		}
	}
	return result(changes)
}

func (s *session) restartOne(ctx context.Context, c *change, again func(*change) (api.Written, error), w waiting) error {
	one := []*change{c}
	s.each(one, again)
	s.triggered(accepted(one), "restart", true)
	return s.arrive(ctx, accepted(one), w)
}
