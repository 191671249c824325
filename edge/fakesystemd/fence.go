package fakesystemd

import (
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/role/runtime"
)

// fence is fleet-fence.service with its process, to which systemd binds units that
// have OnPartition=stop, and what lies in /run for it.
type fence struct {
	until  time.Duration // what fleetd has said
	tokens map[cluster.UnitName]int64

	state fenceState
	told  time.Duration // until when a fence that stands may
	timer runtime.Timer // of the fall of one that stands, or of a start that takes too long
}

type fenceState string

const (
	lies   fenceState = ""
	rises  fenceState = "activating" // until fleetd says a time that is not over
	stands fenceState = "active"
)

// fenceStart is fleet-fence.service's TimeoutStartSec=.
const fenceStart = 10 * time.Second

// Now is the time by the fence's clock.
func (m *Machine) Now() time.Duration { return m.on.Now().Sub(m.built) }

// Extend has the fence stand until a moment by that clock; an earlier one than was
// said before takes nothing back.
func (m *Machine) Extend(until time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &m.fence
	f.until = until
	switch {
	case f.state == stands && until > f.told:
		f.told = until
		f.timer.Reset(until - m.Now())
	case f.state == rises && until > m.Now():
		f.timer.Stop()
		m.stand()
	}
	return nil
}

// Until is what was said last.
func (m *Machine) Until() (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fence.until, nil
}

// Fenced says whether a unit whose text is on the disk is bound to the fence.
func (m *Machine) Fenced(name cluster.UnitName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fenced(m.texts[name])
}

func fenced(text string) bool { return option(text, "OnPartition") == "stop" }

// SaveToken keeps what the unit finds as its fencing token when it starts next.
func (m *Machine) SaveToken(name cluster.UnitName, token int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fence.tokens[name] = token
	return nil
}

// FallLate has systemd tell of the fence's fall that much later than of the ends
// that follow from it.
func (m *Machine) FallLate(lag time.Duration) { m.fallLate = lag }

// KillFence has the fence's process killed.
func (m *Machine) KillFence() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fence.state == stands {
		m.fall()
	}
}

// behind has the fence stand, or begin to, for a unit that starts, and says whether
// it does. The unit's job waits for it.
func (m *Machine) behind(u *unit) bool {
	f := &m.fence
	if f.state != stands && f.until > m.Now() {
		m.stand()
	}
	if f.state == stands {
		return true
	}
	u.awaits = true
	m.changed(u.status.Unit) // there is a job
	if f.state == lies {
		f.state = rises
		f.timer = m.on.AfterFunc(fenceStart, m.riseInVain)
		m.fenceIs("activating", "start")
	}
	return false
}

// stand has the fence stand, and what waits for it start.
func (m *Machine) stand() {
	f := &m.fence
	f.state, f.told = stands, f.until
	f.timer = m.on.AfterFunc(f.told-m.Now(), m.over)
	u := m.fenceIs("active", "running")
	u.status.Invocation = m.invocation()
	m.runs(converge.FenceUnit, u, true, ByJob)
	m.changed(converge.FenceUnit)
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		if u := m.units[name]; u != nil && u.awaits {
			u.awaits = false
			m.begin(name, u)
		}
	}
}

// riseInVain is the end of a fence that was not ready in time.
func (m *Machine) riseInVain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fence.state != rises {
		return
	}
	m.fence.state = lies
	m.fenceIs("failed", "failed")
	m.changed(converge.FenceUnit)
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		if u := m.units[name]; u != nil && u.awaits {
			u.awaits = false
			m.finish(name, u, "dependency")
		}
	}
}

// over is the fence's timer, and systemd's watchdog of its process.
func (m *Machine) over() {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch left := m.fence.told - m.Now(); {
	case m.fence.state != stands:
	case left > 0:
		m.fence.timer.Reset(left)
	default:
		m.fall()
	}
}

// fall is the fence's: systemd stops what is bound to it, and reboots the machine
// where that takes too long.
func (m *Machine) fall() {
	m.fence.timer.Stop()
	m.fence.state = lies
	u := m.fenceIs("failed", "failed")
	m.runs(converge.FenceUnit, u, false, ByFence)
	if m.fallLate == 0 {
		m.changed(converge.FenceUnit)
	} else {
		m.on.AfterFunc(m.fallLate, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.changed(converge.FenceUnit)
		})
	}
	var ending []*unit
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		u := m.units[name]
		if fenced(u.text) && (u.status.Up() || u.again) {
			u.byFence = true
			ending = append(ending, u)
			m.enqueue(converge.StopJob, name, u, nil)
		}
	}
	m.on.AfterFunc(cluster.FenceStopTime, func() { m.rebootFor(ending) })
}

// rebootFor is the timeout of fleet-fence-fallen.target.
func (m *Machine) rebootFor(ending []*unit) {
	m.mu.Lock()
	stuck := slices.ContainsFunc(ending, func(u *unit) bool { return u.byFence && u.up && m.units[u.status.Unit] == u })
	m.mu.Unlock()
	if stuck && m.reboot != nil {
		m.reboot()
	}
}

// lower has the fence end when no unit needs it any more.
func (m *Machine) lower() {
	if m.fence.state == lies {
		return
	}
	for _, u := range m.units {
		if fenced(u.text) && (u.up || u.status.Job != 0) {
			return
		}
	}
	m.fence.timer.Stop()
	m.fence.state = lies
	m.runs(converge.FenceUnit, m.units[converge.FenceUnit], false, ByJob)
	m.forget(converge.FenceUnit)
}

// fenceIs gives the fence's unit a state.
func (m *Machine) fenceIs(active, sub string) *unit {
	u, there := m.units[converge.FenceUnit]
	if !there {
		u = &unit{status: converge.Status{Unit: converge.FenceUnit, InMemory: true, Load: "loaded"}}
		m.units[converge.FenceUnit] = u
	}
	u.status.Active, u.status.Sub = active, sub
	return u
}

// killLate has systemd kill what a fenced unit still runs when its TimeoutStopSec= is
// over.
func (m *Machine) killLate(name cluster.UnitName, u *unit) {
	if !fenced(u.text) {
		return
	}
	job := u.status.Job
	m.on.AfterFunc(cluster.FenceUnitStopTime, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.units[name] == u && u.status.Job == job && u.status.Active == "deactivating" && !m.stuck {
			m.halt(name, u)
			m.work(name, u)
		}
	})
}
