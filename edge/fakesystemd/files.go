package fakesystemd

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// Write puts a unit's text on the disk.
func (m *Machine) Write(name cluster.UnitName, text string) error {
	if _, err := cluster.ParseUnitName(string(name)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.broken[name]; err != nil {
		return err
	}
	m.texts[name] = text
	if u, there := m.units[name]; there && u.text != text {
		u.status.NeedReload = true
	}
	return nil
}

// Text is what lies on the disk of a unit.
func (m *Machine) Text(name cluster.UnitName) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.texts[name]
}

// Read returns it, or that there is none.
func (m *Machine) Read(name cluster.UnitName) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, there := m.texts[name]
	if !there {
		return "", fmt.Errorf("read the files of %s: %w", name, fs.ErrNotExist)
	}
	return text, nil
}

// Remove takes a unit's text and record away.
func (m *Machine) Remove(name cluster.UnitName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.texts, name)
	delete(m.records, name)
	return nil
}

// List returns the texts' hashes.
func (m *Machine) List() (map[cluster.UnitName]cluster.Hash, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[cluster.UnitName]cluster.Hash{}
	for name, text := range m.texts {
		found[name] = cluster.HashOf(text)
	}
	return found, nil
}

// Record keeps that a unit is being, or was, started.
func (m *Machine) Record(r converge.Record) error {
	if _, err := cluster.ParseUnitName(string(r.Unit)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[r.Unit] = r
	return nil
}

// Forget drops a record.
func (m *Machine) Forget(name cluster.UnitName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, name)
	return nil
}

// Records returns all records.
func (m *Machine) Records() ([]converge.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []converge.Record
	for _, name := range slices.Sorted(maps.Keys(m.records)) {
		found = append(found, m.records[name])
	}
	return found, nil
}

// SaveLease keeps the machine's lease.
func (m *Machine) SaveLease(lease int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lease = lease
	return nil
}

// Lease is the lease that was kept, 0 where there is none.
func (m *Machine) Lease() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lease, nil
}

// ForgetLease drops it.
func (m *Machine) ForgetLease() error { return m.SaveLease(0) }
