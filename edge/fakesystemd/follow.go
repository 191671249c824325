package fakesystemd

import (
	"context"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// follower is one Follow.
type follower struct {
	reset   bool
	changed map[cluster.UnitName]converge.Status
	wake    chan struct{} // capacity 1
}

// Follow hands over what systemd has in memory, then each change.
func (m *Machine) Follow(ctx context.Context, deliver func(converge.Observation) error) error {
	f := &follower{reset: true, wake: make(chan struct{}, 1)}
	f.wake <- struct{}{}
	m.mu.Lock()
	m.followers[f] = true
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.followers, f)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.wake:
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
		for _, u := range m.units {
			seen.Units = append(seen.Units, u.status)
		}
	} else {
		for _, status := range f.changed {
			seen.Units = append(seen.Units, status)
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
	for _, u := range m.units {
		for _, w := range u.waiting {
			w(converge.Outcome{})
		}
		u.waiting = nil
	}
	for f := range m.followers {
		f.reset = true
		f.poke()
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
	for f := range m.followers {
		if !f.reset {
			f.changed[status.Unit] = status
		}
		f.poke()
	}
}

func (f *follower) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
