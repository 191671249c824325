package fakesystemd

import (
	"context"
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/role/runtime"
)

// follower is one Follow.
type follower struct {
	reset   bool
	changed map[cluster.UnitName]converge.Status
	bell    runtime.Bell
}

// Follow hands over what systemd has in memory, then each change.
func (m *Machine) Follow(ctx context.Context, deliver func(converge.Observation) error) error {
	f := &follower{reset: true, bell: m.on.NewBell()}
	f.bell.Ring()
	m.mu.Lock()
	m.followers = append(m.followers, f)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.followers = slices.DeleteFunc(m.followers, func(other *follower) bool { return other == f })
	}()
	for {
		if err := f.bell.Wait(ctx, time.Time{}); err != nil {
			return err
		}
		if err := deliver(m.news(f)); err != nil {
			return err
		}
	}
}

func (m *Machine) news(f *follower) converge.Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := converge.Observation{Reset: f.reset}
	if f.reset {
		for _, name := range slices.Sorted(maps.Keys(m.units)) {
			seen.Units = append(seen.Units, m.units[name].status)
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(f.changed)) {
			seen.Units = append(seen.Units, f.changed[name])
		}
	}
	f.reset, f.changed = false, map[cluster.UnitName]converge.Status{}
	return seen
}

// Disconnect ends all connections: who waits for a job hears nothing more, who
// follows begins anew.
func (m *Machine) Disconnect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disconnect()
}

func (m *Machine) disconnect() {
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		u := m.units[name]
		for _, w := range u.waiting {
			w(converge.Outcome{})
		}
		u.waiting = nil
	}
	for _, f := range m.followers {
		f.reset = true
		f.bell.Ring()
	}
}

// changed tells the followers of a unit's status. m.mu is held.
func (m *Machine) changed(name cluster.UnitName) {
	u, there := m.units[name]
	if !there {
		return
	}
	m.seq++
	u.status.Seq = m.seq
	m.tell(u.status)
}

// forget has a unit leave systemd's memory. m.mu is held.
func (m *Machine) forget(name cluster.UnitName) {
	was := m.units[name].status
	delete(m.units, name)
	m.seq++
	m.tell(converge.Status{Unit: name, Active: "inactive", Sub: "dead", Result: was.Result, Shadow: was.Shadow, Seq: m.seq})
}

func (m *Machine) tell(status converge.Status) {
	for _, f := range m.followers {
		if !f.reset {
			f.changed[status.Unit] = status
		}
		f.bell.Ring()
	}
}
