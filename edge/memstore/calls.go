package memstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
)

// Unit returns one unit as it is stored; it is so at the store's revision asOf.
func (s *Store) Unit(ctx context.Context, name cluster.UnitName) (u cluster.Unit, asOf int64, err error) {
	if err := s.enter(ctx); err != nil {
		return cluster.Unit{}, 0, err
	}
	defer s.mu.Unlock()
	stored, there := s.facts[unitKey(name)].changed.(cluster.UnitChanged)
	if !there {
		return cluster.Unit{}, s.revision, fmt.Errorf("unit %q: %w", name, cluster.ErrNotFound)
	}
	return stored.Unit, s.revision, nil
}

// Content returns the unit text that hash stands for.
func (s *Store) Content(ctx context.Context, hash cluster.Hash) (string, error) {
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.mu.Unlock()
	content, there := s.facts[contentKey(hash)].changed.(cluster.ContentChanged)
	if !there {
		return "", fmt.Errorf("text %s: %w", hash, cluster.ErrNotFound)
	}
	return content.Text, nil
}

// PutUnit writes a unit and its text where the unit still has unit.Revision.
func (s *Store) PutUnit(ctx context.Context, unit cluster.Unit, text string, done ...access.Entry) (cluster.Unit, error) {
	if _, err := cluster.ParseUnitName(string(unit.Name)); err != nil {
		return cluster.Unit{}, err
	}
	if unit.Hash == "" || strings.Trim(string(unit.Hash), "0123456789abcdef") != "" || !unit.Desired.Valid() {
		return cluster.Unit{}, fmt.Errorf("unit %q: hash %q, desired %q: expected hexadecimal digits, a desired state", unit.Name, unit.Hash, unit.Desired)
	}
	if err := s.enter(ctx); err != nil {
		return cluster.Unit{}, err
	}
	defer s.mu.Unlock()
	if s.facts[unitKey(unit.Name)].revision != unit.Revision {
		return cluster.Unit{}, fmt.Errorf("unit %q: %w", unit.Name, cluster.ErrConflict)
	}
	changes := []change{{key: unitKey(unit.Name), changed: cluster.UnitChanged{Unit: unit}}}
	content := cluster.ContentChanged{Hash: unit.Hash, Text: text}
	switch s.facts[contentKey(unit.Hash)].changed {
	case content:
	case nil:
		changes = append(changes, change{key: contentKey(unit.Hash), changed: content})
	default:
		return cluster.Unit{}, fmt.Errorf("unit %q: another text already has the hash %s", unit.Name, unit.Hash)
	}
	delete(s.marks, unit.Hash)
	unit.Revision = s.write(changes...)
	s.noted(done)
	return unit, nil
}

// DeleteUnit ends a unit that still has the given revision.
func (s *Store) DeleteUnit(ctx context.Context, name cluster.UnitName, revision int64, done ...access.Entry) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch s.facts[unitKey(name)].revision {
	case 0:
		return fmt.Errorf("unit %q: %w", name, cluster.ErrNotFound)
	case revision:
		s.write(change{key: unitKey(name), gone: cluster.UnitGone{Name: name}})
		s.noted(done)
		return nil
	default:
		return fmt.Errorf("unit %q: %w", name, cluster.ErrConflict)
	}
}

// GrantLease starts a lease that ends when it has not been kept alive for ttl.
func (s *Store) GrantLease(ctx context.Context, ttl time.Duration) (int64, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.grant(ttl), nil
}

func (s *Store) grant(ttl time.Duration) int64 {
	s.lastID++
	id := s.lastID
	s.leases[id] = &lease{ttl: ttl, ends: s.on.AfterFunc(ttl, func() { s.EndLease(id) })}
	return id
}

// KeepAlive refreshes a lease once.
func (s *Store) KeepAlive(ctx context.Context, id int64) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	l, there := s.leases[id]
	if !there {
		return cluster.ErrLeaseGone
	}
	l.ends.Reset(l.ttl)
	return nil
}

// RevokeLease ends a lease and all that is bound to it.
func (s *Store) RevokeLease(ctx context.Context, id int64) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, there := s.leases[id]; !there {
		return cluster.ErrLeaseGone
	}
	s.end(id)
	return nil
}

// end ends a lease, in one transaction with what is bound to it.
func (s *Store) end(id int64) {
	l, there := s.leases[id]
	if !there {
		return
	}
	l.ends.Stop()
	delete(s.leases, id)
	var changes []change
	for _, k := range s.under(id) {
		changes = append(changes, change{key: k, gone: ending(s.facts[k].changed)})
	}
	s.write(changes...)
}

// ending is the event of the end of a fact that was bound to a lease.
func ending(event cluster.Event) cluster.Event {
	switch e := event.(type) {
	case cluster.StateChanged:
		return cluster.StateGone{Machine: e.State.Machine, Unit: e.State.Unit}
	case cluster.SuspicionChanged:
		return cluster.SuspicionGone{Target: e.Suspicion.Target, Prober: e.Suspicion.Prober}
	case cluster.DepartedChanged:
		return cluster.DepartedGone{Machine: e.Departed.Machine}
	}
	return cluster.MachineGone{ID: event.(cluster.MachineChanged).Machine.ID}
}

// PutMachine writes a machine's record where it still has m.Revision.
func (s *Store) PutMachine(ctx context.Context, m cluster.Machine) (cluster.Machine, error) {
	if err := checkNames(m.ID); err != nil {
		return cluster.Machine{}, err
	}
	if err := s.enter(ctx); err != nil {
		return cluster.Machine{}, err
	}
	defer s.mu.Unlock()
	if s.leases[m.Lease] == nil {
		return cluster.Machine{}, fmt.Errorf("machine %q: %w", m.ID, cluster.ErrLeaseGone)
	}
	if s.facts[machineKey(m.ID)].revision != m.Revision {
		return cluster.Machine{}, fmt.Errorf("machine %q: %w", m.ID, cluster.ErrConflict)
	}
	m.Revision = s.write(
		change{key: machineKey(m.ID), changed: cluster.MachineChanged{Machine: m}, lease: m.Lease},
		change{key: departedKey(m.ID), gone: cluster.DepartedGone{Machine: m.ID}})
	return m, nil
}

// Machine returns a machine's record.
func (s *Store) Machine(ctx context.Context, id cluster.MachineID) (cluster.Machine, error) {
	if err := s.enter(ctx); err != nil {
		return cluster.Machine{}, err
	}
	defer s.mu.Unlock()
	m, there := s.facts[machineKey(id)].changed.(cluster.MachineChanged)
	if !there {
		return cluster.Machine{}, fmt.Errorf("machine %q: %w", id, cluster.ErrNotFound)
	}
	return m.Machine, nil
}

// Machines returns the records of all machines that are there.
func (s *Store) Machines(ctx context.Context) ([]cluster.Machine, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var all []cluster.Machine
	for _, event := range s.all(cluster.Everything) {
		if changed, is := event.(cluster.MachineChanged); is {
			all = append(all, changed.Machine)
		}
	}
	return all, nil
}

// States returns the states that a machine has published.
func (s *Store) States(ctx context.Context, machine cluster.MachineID) ([]cluster.UnitState, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []cluster.UnitState
	for _, event := range s.in(folder{"states", machine}) {
		if changed, is := event.(cluster.StateChanged); is {
			found = append(found, changed.State)
		}
	}
	return found, nil
}

// PutStates writes what is now so of a machine's units and removes the states
// of those that are gone from it.
func (s *Store) PutStates(ctx context.Context, id int64, machine cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error {
	var changes []change
	seen := map[cluster.UnitName]bool{}
	bad := checkNames(machine, gone...)
	for _, state := range changed {
		bad = errors.Join(bad, checkNames(machine, state.Unit))
		state.Machine = machine
		seen[state.Unit] = true
		changes = append(changes, change{key: stateKey(machine, state.Unit), changed: cluster.StateChanged{State: state}, lease: id})
	}
	for _, unit := range gone {
		if !seen[unit] {
			changes = append(changes, change{key: stateKey(machine, unit), gone: cluster.StateGone{Machine: machine, Unit: unit}})
		}
	}
	if bad != nil {
		return bad
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if len(changed) > 0 && s.leases[id] == nil {
		return fmt.Errorf("states of machine %q: %w", machine, cluster.ErrLeaseGone)
	}
	s.write(changes...)
	return nil
}
