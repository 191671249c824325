package fakesystemd

import "argosy/core/cluster"

// Watch has somebody told of each unit whose processes begin, or end: up. byJob
// says that a job did it, and not they themselves, systemd or a user. It must not
// call the Machine.
func (m *Machine) Watch(told func(unit cluster.UnitName, up, byJob bool)) { m.watch = told }

// runs notes that a unit's processes have begun or ended, and tells who watches.
func (m *Machine) runs(name cluster.UnitName, u *unit, up, byJob bool) {
	if u.up == up {
		return
	}
	u.up = up
	if m.watch != nil {
		m.watch(name, up, byJob)
	}
}

// Again starts a unit as systemd's own Restart= does after End, unless a job was
// ending it or has come since.
func (m *Machine) Again(name cluster.UnitName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, there := m.units[name]; there && u.again {
		u.again = false
		u.status.Invocation = m.invocation()
		m.runs(name, u, true, false)
		m.settle(name, u, "active")
	}
}
