package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/role/engine"
	"argosy/test/sim/laws"
)

// meddler changes what a planner has decided.
type meddler struct {
	engine.Planner
	meddle func([]schedule.Change)
}

func (m meddler) Plan(now time.Time, limit int) []schedule.Change {
	changes := m.Planner.Plan(now, limit)
	m.meddle(changes)
	return changes
}

// hasty is a planner for which time flies: it waits for nothing.
type hasty struct {
	engine.Planner
	ahead *time.Duration
}

func (h hasty) Plan(now time.Time, limit int) []schedule.Change {
	*h.ahead += cluster.FenceHold
	return h.Planner.Plan(now.Add(*h.ahead), limit)
}

func meddling(meddle func([]schedule.Change)) planted {
	return planted{planner: func(p engine.Planner) engine.Planner { return meddler{p, meddle} }}
}

// honest is the planted with no bug but one.
func honest(plant func(p *planted)) planted {
	p := planted{planner: func(p engine.Planner) engine.Planner { return p }}
	plant(&p)
	return p
}

// TestPlantedBugs plants a bug in the true cluster, or in what it stands on, and
// wants one of some seeds to catch it as what it is.
func TestPlantedBugs(t *testing.T) {
	for name, c := range map[string]struct {
		bug planted
		law laws.Law
	}{
		"the end of fleetd ends its units":   {honest(func(p *planted) { p.halts = true }), laws.Outlive},
		"commits do not compare the term":    {honest(func(p *planted) { p.unguard = true }), laws.OneLeader},
		"agents are told of all placements":  {honest(func(p *planted) { p.herd = true }), laws.NoHerd},
		"operators are told what is not so":  {honest(func(p *planted) { p.optimist = true }), laws.NotLost},
		"records of starts are lost":         {honest(func(p *planted) { p.forgets = true }), laws.Once},
		"the fence outlasts the wait for it": {honest(func(p *planted) { p.endless = true }), laws.AtMost},
		"nobody is asked about the fence":    {honest(func(p *planted) { p.blind = true }), laws.AtMost},
		"fencing tokens are all one":         {honest(func(p *planted) { p.tokens = true }), laws.AtMost},
		"the leader does not wait for fences": {honest(func(p *planted) {
			p.planner = func(to engine.Planner) engine.Planner { return hasty{to, new(time.Duration)} }
		}), laws.AtMost},
		"two units are placed in each other's stead": {meddling(func(changes []schedule.Change) {
			var last *schedule.Place
			for i := range changes {
				c, places := changes[i].(schedule.Place)
				if places && last == nil {
					last = &c
				} else if places {
					c.Placement.Machine, c.MachineRevision, c.LabelsRevision = last.Placement.Machine, last.MachineRevision, last.LabelsRevision
					changes[i] = c
				}
			}
		}), laws.Checked},
		"what is renewed is ended": {meddling(func(changes []schedule.Change) {
			for i := range changes {
				if c, places := changes[i].(schedule.Place); places && strings.HasPrefix(c.Placement.Reason, "stays") {
					changes[i] = schedule.Evict{Unit: c.Placement.Unit, From: c.Placement.Machine, UnitRevision: c.UnitRevision}
				}
			}
		}), laws.Needless},
		"nothing says why": {meddling(func(changes []schedule.Change) {
			for i := range changes {
				if c, places := changes[i].(schedule.Place); places {
					c.Placement.Reason = ""
					changes[i] = c
				}
			}
		}), laws.Explained},
	} {
		t.Run(name, func(t *testing.T) {
			var others []string
			for seed := uint64(1); seed <= 300; seed++ {
				w := New(seed, Small)
				w.planted = c.bug
				if c.bug.unguard {
					w.plan.faults *= 10 // it takes a leader that is deposed in the middle of a commit
				}
				err := w.Run()
				if err == nil {
					continue
				}
				if strings.Contains(err.Error(), string(c.law)) {
					t.Logf("caught by seed %d", seed)
					return
				}
				others = append(others, strings.SplitN(err.Error(), "\n", 2)[0])
			}
			t.Errorf("not caught as %q, but: %.2000s", c.law, strings.Join(others, "\n"))
		})
	}
}

// TestPlantedVersion has an older fleetd say what only a newer one does. No single
// event is wrong then: what was on a lost machine never runs elsewhere.
func TestPlantedVersion(t *testing.T) {
	const last = 4000
	var others []string
	for seed := uint64(80); seed <= last; seed += 80 { // see draw
		w := New(seed, Small)
		w.planted.promises = true
		err := w.Run()
		if err != nil && strings.Contains(err.Error(), "no rest") {
			t.Logf("caught by seed %d", seed)
			return
		}
		others = append(others, fmt.Sprintf("seed %d: %.200v", seed, err))
	}
	t.Errorf("not caught, but: %s", strings.Join(others, "\n"))
}
