package memstore

import (
	"context"
	"fmt"
	"maps"

	"argosy/core/access"
	"argosy/core/cluster"
)

// PutLabels writes what operators say of a machine where that still has
// l.Revision; an empty Set ends it.
func (s *Store) PutLabels(ctx context.Context, l cluster.Labels, done ...access.Entry) (cluster.Labels, error) {
	if err := checkNames(l.Machine); err != nil {
		return cluster.Labels{}, err
	}
	if err := s.enter(ctx); err != nil {
		return cluster.Labels{}, err
	}
	defer s.mu.Unlock()
	key := labelsKey(l.Machine)
	if s.facts[key].revision != l.Revision {
		return cluster.Labels{}, fmt.Errorf("labels of machine %q: %w", l.Machine, cluster.ErrConflict)
	}
	if len(l.Set) == 0 {
		l.Revision = s.write(change{key: key, gone: cluster.LabelsGone{Machine: l.Machine}})
	} else {
		l.Revision = s.write(change{key: key, changed: cluster.LabelsChanged{Labels: l}})
	}
	s.noted(done)
	return l, nil
}

// Labels returns what operators say of a machine.
func (s *Store) Labels(ctx context.Context, id cluster.MachineID) (cluster.Labels, error) {
	if err := s.enter(ctx); err != nil {
		return cluster.Labels{}, err
	}
	defer s.mu.Unlock()
	stored, there := s.facts[labelsKey(id)].changed.(cluster.LabelsChanged)
	if !there {
		return cluster.Labels{}, fmt.Errorf("labels of machine %q: %w", id, cluster.ErrNotFound)
	}
	l := stored.Labels
	l.Set = maps.Clone(l.Set)
	return l, nil
}
