package memstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/cluster"
)

func probesKey(id cluster.MachineID) key   { return key{"placements", id, "probes"} }
func departedKey(id cluster.MachineID) key { return key{"machines", id, "departed"} }
func suspectKey(prober, target cluster.MachineID) key {
	return key{"machines", prober, "suspects/" + string(target)}
}

// Assign writes whom machines probe, in the leader's term.
func (s *Store) Assign(ctx context.Context, term cluster.Leader, all []cluster.Probes) error {
	var changes []change
	for _, p := range all {
		if err := checkNames(p.Machine); err != nil {
			return err
		}
		if len(p.Targets) == 0 {
			changes = append(changes, change{key: probesKey(p.Machine), gone: cluster.ProbesGone{Machine: p.Machine}})
		} else {
			changes = append(changes, change{key: probesKey(p.Machine), changed: cluster.ProbesChanged{Probes: p}})
		}
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if !s.leads(term) {
		return fmt.Errorf("assign probes to %d machines: %w", len(all), cluster.ErrDeposed)
	}
	s.write(changes...)
	return nil
}

// PutSuspicions writes a prober's words and takes back those on the targets that
// are withdrawn.
func (s *Store) PutSuspicions(ctx context.Context, id int64, prober cluster.MachineID, words []cluster.Suspicion, withdrawn []cluster.MachineID) error {
	bad := checkNames(prober)
	var changes []change
	for _, word := range words {
		bad = errors.Join(bad, checkNames(word.Target))
		word.Prober = prober
		changes = append(changes, change{key: suspectKey(prober, word.Target), changed: cluster.SuspicionChanged{Suspicion: word}, lease: id})
	}
	for _, target := range withdrawn {
		bad = errors.Join(bad, checkNames(target))
		changes = append(changes, change{key: suspectKey(prober, target), gone: cluster.SuspicionGone{Target: target, Prober: prober}})
	}
	if bad != nil {
		return bad
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if len(words) > 0 && s.leases[id] == nil {
		return fmt.Errorf("what machine %q suspects: %w", prober, cluster.ErrLeaseGone)
	}
	s.write(changes...)
	return nil
}

// EndMachine ends the record of a machine that is lost.
func (s *Store) EndMachine(ctx context.Context, term cluster.Leader, m cluster.Machine) error {
	if err := checkNames(m.ID); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if !s.leads(term) {
		return fmt.Errorf("end the record of machine %q: %w", m.ID, cluster.ErrDeposed)
	}
	if record, there := s.facts[machineKey(m.ID)]; !there || record.revision != m.Revision {
		return fmt.Errorf("end the record of machine %q: %w", m.ID, cluster.ErrConflict)
	}
	s.write(change{key: machineKey(m.ID), gone: cluster.MachineGone{ID: m.ID}})
	return nil
}

// Depart ends a machine's record that is bound to the lease, and says that the
// machine has left.
func (s *Store) Depart(ctx context.Context, id cluster.MachineID, bound int64, at time.Time) error {
	if err := checkNames(id); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if record, there := s.facts[machineKey(id)]; !there || record.lease != bound {
		return fmt.Errorf("take machine %q out of the cluster: %w", id, cluster.ErrConflict)
	}
	s.depart(id, at)
	return nil
}

func (s *Store) depart(id cluster.MachineID, at time.Time) {
	s.write(
		change{key: machineKey(id), gone: cluster.MachineGone{ID: id}},
		change{key: departedKey(id), changed: cluster.DepartedChanged{Departed: cluster.Departed{Machine: id, At: at}}, lease: s.grant(cluster.DepartedFor)})
}
