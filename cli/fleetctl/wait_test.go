package fleetctl

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"argosy/core/api"
	"argosy/core/cluster"
)

// TestRefusedAmongOthers checks that a unit which no machine can take is not given
// up while another of the same command may change that: it may be what it must
// share a machine with.
func TestRefusedAmongOthers(t *testing.T) {
	line := func(name cluster.UnitName, outcome api.Outcome) api.WatchLine {
		return api.WatchLine{Unit: &api.Unit{Name: name, Desired: cluster.Launched, Generation: 1, Outcome: outcome}}
	}
	const app, db = cluster.UnitName("app.service"), cluster.UnitName("db.service")
	quiet := api.WatchLine{}
	for name, c := range map[string]struct {
		units []cluster.UnitName
		lines []api.WatchLine
		want  []string
	}{
		"alone it is at once":            {[]cluster.UnitName{app}, []api.WatchLine{line(app, api.OutcomeUnplaced)}, []string{"app.service unplaced"}},
		"its peer comes to be":           {[]cluster.UnitName{app, db}, []api.WatchLine{line(app, api.OutcomeUnplaced), line(db, api.OutcomeActive), line(app, api.OutcomeWorking), quiet, line(app, api.OutcomeActive)}, []string{"db.service active", "app.service active"}},
		"quiet while its peer starts":    {[]cluster.UnitName{app, db}, []api.WatchLine{line(app, api.OutcomeUnplaced), quiet, quiet}, nil},
		"its peer does not help":         {[]cluster.UnitName{app, db}, []api.WatchLine{line(app, api.OutcomeUnplaced), line(db, api.OutcomeActive), quiet}, []string{"db.service active", "app.service unplaced"}},
		"all are refused, and stay so":   {[]cluster.UnitName{app, db}, []api.WatchLine{line(db, api.OutcomeUnplaced), line(app, api.OutcomeUnplaced), quiet}, []string{"app.service unplaced", "db.service unplaced"}},
		"all are refused, for the first": {[]cluster.UnitName{app, db}, []api.WatchLine{line(db, api.OutcomeUnplaced), line(app, api.OutcomeUnplaced)}, nil},
	} {
		var got []string
		v := vigil{
			s: &session{err: io.Discard}, changes: len(c.units), progress: newProgress(io.Discard),
			over:    func(_ *change, u api.Unit) { got = append(got, fmt.Sprintf("%s %s", u.Name, u.Outcome)) },
			pending: map[cluster.UnitName]*change{}, last: map[cluster.UnitName]api.Unit{}, refused: map[cluster.UnitName]bool{},
		}
		for _, unit := range c.units {
			v.pending[unit] = &change{name: unit, written: api.Written{Generation: 1}}
		}
		var err error
		for _, line := range c.lines {
			err = v.hear(line)
		}
		if !slices.Equal(got, c.want) || (err == errAllOver) != (len(v.pending) == 0) {
			t.Errorf("%s: %v, %v, pending %v; want %v", name, got, err, v.pending, c.want)
		}
	}
}
