package agent

import (
	"context"
	"errors"
	"maps"
	"slices"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/role/runtime"
)

// Snapshot is what the agent has in hand at one moment, for people.
type Snapshot struct {
	Lease   int64  `json:"lease"` // that states are published under; 0 for none
	Leaving bool   `json:"leaving"`
	Units   int    `json:"units"`  // that are fleet's here
	Failed  int    `json:"failed"` // of them, that systemd calls failed
	First   []Unit `json:"first,omitempty"`
}

// Unit is one unit in a Snapshot.
type Unit struct {
	Name       cluster.UnitName `json:"name"`
	Desired    cluster.Desired  `json:"desired,omitempty"`
	Generation int64            `json:"generation"`
	Active     string           `json:"active"`
	Sub        string           `json:"sub"`
	Phase      cluster.Phase    `json:"phase"`
	Problem    string           `json:"problem,omitempty"`
}

// question asks the desk for a Snapshot.
type question struct {
	most   int // units that it names
	answer *runtime.Mailbox[Snapshot]
}

// Snapshot asks what the agent has in hand, with up to most units by name. It
// fails when the agent has ended or does not answer before ctx ends.
func (a *Agent) Snapshot(ctx context.Context, most int) (Snapshot, error) {
	answer := runtime.NewMailbox[Snapshot](a.on, a.on.NewBell(), 1)
	err := a.mail.Send(ctx, question{most, answer})
	var s Snapshot
	if err == nil {
		s, err = answer.Receive(ctx)
	}
	if errors.Is(err, runtime.ErrClosed) {
		err = errEnded
	}
	return s, err
}

func (q question) learn(d *desk) {
	s := Snapshot{Lease: d.board.lease, Leaving: d.departure != nil}
	for _, name := range slices.Sorted(maps.Keys(d.units)) {
		e := d.units[name]
		u := d.unit(name, e)
		if !u.Ours() {
			continue
		}
		s.Units++
		if u.Status.Active == "failed" {
			s.Failed++
		}
		if len(s.First) < q.most {
			s.First = append(s.First, unitOf(u, converge.State(d.config.Machine.ID, u, d.working(name, e), e.problem)))
		}
	}
	q.answer.Offer(s)
}

func unitOf(u converge.Unit, state cluster.UnitState) Unit {
	shown := Unit{
		Name: u.Name, Generation: state.Generation, Active: state.Active, Sub: state.Sub, Phase: state.Phase, Problem: state.Problem,
	}
	if u.Want != nil {
		shown.Desired = u.Want.Desired
	}
	return shown
}
