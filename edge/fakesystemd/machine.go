// Package fakesystemd is a machine in memory, for the agent's tests and the
// simulator: systemd, the files that it reads and fleet's records. It keeps the
// contract of edge/systemd/systemdtest for unit texts of a few words: sleep,
// true and false in ExecStart=, sleep in ExecStartPre=, Type=oneshot, Requires=, and
// OnPartition=stop, for which it has a fence.
// A drop-in's words count like the text's. Of a Quadlet file it makes a service
// that is active once started, unless there is a Nonsense= in it.
package fakesystemd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/role/runtime"
)

// Machine is one machine. It outlives the agents that run on it.
type Machine struct {
	on    runtime.Runtime
	built time.Time
	mu    sync.Mutex

	// The disk: lost at a reboot, as /run is, but for the overrides.
	texts     map[cluster.UnitName]string
	records   map[cluster.UnitName]converge.Record
	lease     int64
	overrides map[cluster.UnitName]string // in /etc
	generated map[cluster.UnitName]string // Quadlet files as they were at the last reload
	fence     fence

	// systemd's memory.
	units   map[cluster.UnitName]*unit
	lastJob uint32
	starts  int
	seq     uint64
	// broken has jobs of a unit refused, and Write of it.
	broken    map[cluster.UnitName]error
	refused   map[cluster.UnitName]error // jobs alone
	followers []*follower

	watch    func(Change)  // if set, is told of processes
	reboot   func()        // if set, is told when systemd reboots the machine
	stuck    bool          // no process can end
	fallLate time.Duration // what systemd tells of the fence's fall is behind by that

	jobs    []string // what was asked of systemd, in order
	reloads int
}

// unit is what systemd holds of one unit.
type unit struct {
	text   string // as it was loaded
	status converge.Status
	// waiting are those who wait for the job that is under way.
	waiting []func(converge.Outcome)
	kind    converge.Job
	up      bool // something of it runs
	again   bool // systemd's Restart= will start it, if no job comes before
	awaits  bool // its start job waits for the fence
	byFence bool // it is being ended because the fence has fallen
}

// New returns a machine that has just booted, on Go's own runtime.
func New() *Machine { return NewOn(runtime.Real()) }

// NewOn returns one on another runtime, whose bells its followers wait at.
func NewOn(on runtime.Runtime) *Machine {
	m := &Machine{on: on, built: on.Now(), overrides: map[cluster.UnitName]string{}, broken: map[cluster.UnitName]error{}, refused: map[cluster.UnitName]error{}}
	m.empty()
	return m
}

func (m *Machine) empty() {
	m.texts = map[cluster.UnitName]string{}
	m.records = map[cluster.UnitName]converge.Record{}
	m.units = map[cluster.UnitName]*unit{}
	m.generated = map[cluster.UnitName]string{}
	m.lease = 0
	if m.fence.timer != nil {
		m.fence.timer.Stop()
	}
	m.fence = fence{tokens: map[cluster.UnitName]int64{}}
}

// Reboot ends everything that runs and forgets what lies in /run.
func (m *Machine) Reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disconnect()
	m.empty()
}

// Override puts a text where systemd looks before it looks at fleet's.
func (m *Machine) Override(name cluster.UnitName, text string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.overrides[name] = text
	return "/etc/systemd/system/" + string(name)
}

// Break has every job and file of a unit refused with err; nil mends it.
func (m *Machine) Break(name cluster.UnitName, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken[name] = err
}

// Refuse has every job of a unit refused with err; nil mends it.
func (m *Machine) Refuse(name cluster.UnitName, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[name] = err
}

// End has a running unit end by itself, in the state "inactive" or "failed". A job
// that was ending it goes on.
func (m *Machine) End(name cluster.UnitName, active string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, there := m.units[name]
	if !there {
		return
	}
	ending := u.status.Job != 0 && u.status.Active == "deactivating"
	m.settle(name, u, active)
	if ending {
		m.work(name, u)
	}
}

// Finish has a start or a stop that is under way succeed.
func (m *Machine) Finish(name cluster.UnitName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, there := m.units[name]
	switch {
	case !there || u.status.Job == 0 || u.awaits:
	case u.status.Active == "deactivating" && m.stuck:
	case u.status.Active == "deactivating":
		m.halt(name, u)
		m.work(name, u)
	case u.status.Active == "activating":
		m.settle(name, u, "active")
		m.finish(name, u, "done")
	default: // it has ended meanwhile
		m.finish(name, u, "failed")
	}
}

// Jobs is what systemd was asked to do so far, such as "start web.service".
func (m *Machine) Jobs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.jobs)
}

// Reloads is how often systemd was asked to read its files again.
func (m *Machine) Reloads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reloads
}

// Running are the units that are up.
func (m *Machine) Running() []cluster.UnitName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var up []cluster.UnitName
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		if m.units[name].status.Up() {
			up = append(up, name)
		}
	}
	return up
}

// Invocation is that of a unit, to tell whether it was started again.
func (m *Machine) Invocation(name cluster.UnitName) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, there := m.units[name]; there {
		return u.status.Invocation
	}
	return ""
}

// Foreign starts a unit that fleet knows nothing of.
func (m *Machine) Foreign(name cluster.UnitName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := &unit{text: "[Service]\nExecStart=/bin/sleep 1\n"}
	u.status = converge.Status{Unit: name, InMemory: true, Load: "loaded", Invocation: m.invocation()}
	m.units[name] = u
	m.settle(name, u, "active")
}

func (m *Machine) invocation() string {
	m.starts++
	return fmt.Sprintf("invocation-%d", m.starts)
}

// Reload has systemd read the texts of all units again.
func (m *Machine) Reload(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reloads++
	clear(m.generated)
	for name, text := range m.texts {
		if name.Quadlet() && option(text, "Nonsense") == "" {
			m.generated[name] = text
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		u := m.units[name]
		if text, there := m.source(name); there {
			u.text = text
		}
		if u.status.NeedReload {
			u.status.NeedReload = false
			m.changed(name)
		}
	}
	return nil
}

// ResetFailed takes a failed unit out of systemd's memory.
func (m *Machine) ResetFailed(_ context.Context, name cluster.UnitName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, there := m.units[name]; there && u.status.Active == "failed" {
		u.status.Active, u.status.Sub, u.status.Result = "inactive", "dead", "success"
		m.forget(name)
	}
	return nil
}

// source is the text that systemd reads for a name. m.mu is held.
func (m *Machine) source(name cluster.UnitName) (string, bool) {
	if text, there := m.overrides[name]; there {
		return text, true
	}
	if name.Quadlet() {
		text, there := m.generated[name]
		return text, there
	}
	text, there := m.texts[name]
	return text, there
}

// Generated are the Quadlet files that systemd has services of.
func (m *Machine) Generated() []cluster.UnitName {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.generated))
}
