package fakesystemd

import "argosy/core/cluster"

// Change is the processes of a unit beginning, or ending.
type Change struct {
	Unit  cluster.UnitName
	Up    bool
	Cause Cause
	Text  string // by which systemd runs it
	Token int64  // of a unit behind the fence: what it finds as its fencing token
}

// Cause is what has a unit's processes begin or end.
type Cause string

const (
	ByJob    Cause = "a job"
	ByItself Cause = "itself" // they, systemd's Restart=, or a user
	ByFence  Cause = "the fence"
)

// Watch has somebody told of each unit whose processes begin or end, the fence's own
// among them. It must not call the Machine.
func (m *Machine) Watch(told func(Change)) { m.watch = told }

// OnReboot has somebody told when systemd reboots the machine.
func (m *Machine) OnReboot(reboot func()) { m.reboot = reboot }

// Stick says whether processes can end at all: one that waits for a disk that does
// not answer cannot, whoever kills it.
func (m *Machine) Stick(stuck bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stuck = stuck
}

// runs notes that a unit's processes have begun or ended, and tells who watches.
func (m *Machine) runs(name cluster.UnitName, u *unit, up bool, cause Cause) {
	if u.up == up {
		return
	}
	if !up && u.byFence {
		cause = ByFence
	}
	u.up, u.byFence = up, false
	if m.watch != nil {
		m.watch(Change{name, up, cause, u.text, m.fence.tokens[name]})
	}
}

// EndAndReturn has a running unit end by itself where systemd's own Restart= starts
// it again: Again does that.
func (m *Machine) EndAndReturn(name cluster.UnitName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, there := m.units[name]
	if !there || u.status.Active != "active" || u.status.Job != 0 {
		return
	}
	u.again = true
	m.runs(name, u, false, ByItself)
	u.status.Active, u.status.Sub, u.status.Result = "activating", "auto-restart", "exit-code"
	m.changed(name)
}

// Again starts a unit as systemd's own Restart= does after EndAndReturn, unless a job
// for it has come since.
func (m *Machine) Again(name cluster.UnitName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, there := m.units[name]; there && u.again {
		u.again = false
		u.status.Invocation = m.invocation()
		m.runs(name, u, true, ByItself)
		m.settle(name, u, "active")
	}
}
