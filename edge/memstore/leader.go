package memstore

import (
	"context"
	"fmt"
	"slices"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// Leader returns who leads.
func (s *Store) Leader(ctx context.Context) (cluster.Leader, error) {
	if err := s.enter(ctx); err != nil {
		return cluster.Leader{}, err
	}
	defer s.mu.Unlock()
	l, there := s.facts[leaderKey()].changed.(cluster.LeaderChanged)
	if !there {
		return cluster.Leader{}, fmt.Errorf("the leader: %w", cluster.ErrNotFound)
	}
	return l.Leader, nil
}

// TakeLead makes l the leader where the leader's record still has l.Revision.
func (s *Store) TakeLead(ctx context.Context, l cluster.Leader) (cluster.Leader, error) {
	if err := s.enter(ctx); err != nil {
		return cluster.Leader{}, err
	}
	defer s.mu.Unlock()
	if s.facts[leaderKey()].revision != l.Revision {
		return cluster.Leader{}, fmt.Errorf("take the lead: %w", cluster.ErrConflict)
	}
	l.Revision = s.write(change{key: leaderKey(), changed: cluster.LeaderChanged{Leader: l}})
	return l, nil
}

// Resign ends l's term.
func (s *Store) Resign(ctx context.Context, l cluster.Leader) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if !s.leads(l) {
		return fmt.Errorf("resign the lead: %w", cluster.ErrDeposed)
	}
	s.write(change{key: leaderKey(), gone: cluster.LeaderGone{}})
	return nil
}

func (s *Store) leads(l cluster.Leader) bool {
	record, there := s.facts[leaderKey()]
	return there && record.revision == l.Revision
}

// Commit writes the leader's decisions, each by its own guards, in one
// transaction.
func (s *Store) Commit(ctx context.Context, term cluster.Leader, decisions []schedule.Change) ([]cluster.Event, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if !s.leads(term) {
		return nil, fmt.Errorf("commit: %w", cluster.ErrDeposed)
	}
	var changes []change
	said := map[key]bool{}
	left := 0
	for _, decision := range decisions {
		writes, bad := s.decided(decision)
		if bad != nil {
			return nil, fmt.Errorf("commit: %w", bad)
		}
		if len(writes) == 0 || slices.ContainsFunc(writes, func(c change) bool { return said[c.key] }) {
			left++
			continue
		}
		for _, c := range writes {
			said[c.key] = true
		}
		changes = append(changes, writes...)
	}
	revision := s.write(changes...)
	var events []cluster.Event
	for _, c := range changes {
		if c.gone != nil {
			events = append(events, c.gone)
		} else {
			events = append(events, stamp(c.changed, revision))
		}
	}
	if left > 0 {
		return events, fmt.Errorf("commit: %d left out: %w", left, cluster.ErrConflict)
	}
	return events, nil
}

// decided says a decision in writes; none where a guard does not hold.
func (s *Store) decided(decision schedule.Change) ([]change, error) {
	switch d := decision.(type) {
	case schedule.Place:
		p := d.Placement
		if err := checkNames(p.Machine, p.Unit); err != nil || !s.unitIs(p.Unit, d.UnitRevision) ||
			s.facts[machineKey(p.Machine)].revision != d.MachineRevision ||
			s.facts[labelsKey(p.Machine)].revision != d.LabelsRevision ||
			d.FromGone && s.facts[machineKey(d.From)].revision != 0 {
			return nil, err
		}
		var changes []change
		if d.From != "" && d.From != p.Machine {
			changes = append(changes, unplace(d.From, p.Unit))
		}
		if d.WasUnplaced {
			changes = append(changes, absolve(p.Unit))
		}
		return append(changes, change{key: placementKey(p.Machine, p.Unit), changed: cluster.PlacementChanged{Placement: p}}), nil
	case schedule.Evict:
		if err := checkNames(d.From, d.Unit); err != nil || !s.unitIs(d.Unit, d.UnitRevision) {
			return nil, err
		}
		return []change{unplace(d.From, d.Unit)}, nil
	case schedule.Refuse:
		u := d.Unplaced
		if _, err := cluster.ParseUnitName(string(u.Unit)); err != nil || !s.unitIs(u.Unit, d.UnitRevision) {
			return nil, err
		}
		var changes []change
		if d.From != "" {
			changes = append(changes, unplace(d.From, u.Unit))
		}
		return append(changes, change{key: unplacedKey(u.Unit), changed: cluster.UnplacedChanged{Unplaced: u}}), nil
	case schedule.Absolve:
		if s.facts[unplacedKey(d.Unit)].revision != d.Revision {
			return nil, nil
		}
		return []change{absolve(d.Unit)}, nil
	default:
		return nil, fmt.Errorf("the store knows no change of type %T", decision)
	}
}

func (s *Store) unitIs(name cluster.UnitName, revision int64) bool {
	return s.facts[unitKey(name)].revision == revision
}

func unplace(machine cluster.MachineID, unit cluster.UnitName) change {
	return change{key: placementKey(machine, unit), gone: cluster.PlacementGone{Machine: machine, Unit: unit}}
}

func absolve(unit cluster.UnitName) change {
	return change{key: unplacedKey(unit), gone: cluster.UnplacedGone{Unit: unit}}
}
