package fakesystemd

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// Enqueue has a job done. All but the start of a text with ExecStartPre= is
// done at once. ended is called as edge/systemd's is.
func (m *Machine) Enqueue(ctx context.Context, kind converge.Job, name cluster.UnitName, ended func(converge.Outcome)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs = append(m.jobs, fmt.Sprintf("%s %s", kind, name))
	if err := cmp.Or(m.broken[name], m.refused[name]); err != nil {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	u, err := m.load(name)
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	m.enqueue(kind, name, u, ended)
	return nil
}

// enqueue is a job of fleet's, or of systemd's own. m.mu is held.
func (m *Machine) enqueue(kind converge.Job, name cluster.UnitName, u *unit, ended func(converge.Outcome)) {
	if u.again {
		u.again, u.status.Active, u.status.Sub = false, "inactive", "dead"
	}
	var waits []func(converge.Outcome)
	if ended != nil {
		waits = append(waits, ended)
	}
	stops := kind == converge.StopJob
	switch {
	case u.status.Job != 0 && stops != (u.kind == converge.StopJob):
		m.finish(name, u, "canceled")
	case u.status.Job != 0 && (kind == u.kind || u.kind == converge.RestartJob): // it will do for both
		u.waiting = append(u.waiting, waits...)
		return
	case u.status.Job != 0: // a restart of what is starting: the job becomes one, and begins again
		u.kind, u.waiting = kind, append(u.waiting, waits...)
		m.work(name, u)
		return
	}
	m.lastJob++
	u.status.Job, u.kind, u.waiting = m.lastJob, kind, waits
	m.work(name, u)
}

// load takes a unit into memory, as systemd does with one that a job is for.
func (m *Machine) load(name cluster.UnitName) (*unit, error) {
	if u, there := m.units[name]; there {
		return u, nil
	}
	text, there := m.source(name)
	if !there && option(m.texts[name], "Nonsense") != "" {
		return nil, fmt.Errorf("no service was made of it: unsupported key 'Nonsense'")
	}
	if !there {
		return nil, fmt.Errorf("unit %s not found", name)
	}
	if option(text, "ExecStart") == "" && !name.Quadlet() {
		return nil, fmt.Errorf("unit %s has a bad unit file setting", name)
	}
	u := &unit{text: text, status: converge.Status{Unit: name, InMemory: true, Load: "loaded", Active: "inactive", Sub: "dead"}}
	if _, shadowed := m.overrides[name]; shadowed {
		u.status.Shadow = "/etc/systemd/system/" + string(name)
	}
	m.units[name] = u
	return u, nil
}

// work does a job: first what ends, then what begins. A stop of a text with
// sleep in ExecStop= takes until Finish.
func (m *Machine) work(name cluster.UnitName, u *unit) {
	up := u.status.Active != "inactive" && u.status.Active != "failed"
	if up && (u.kind != converge.StartJob || u.status.Active == "deactivating") {
		if u.status.Active == "deactivating" && m.stuck {
			return
		}
		if u.status.Active != "deactivating" && (m.stuck || u.status.Active == "active" && strings.Contains(option(u.text, "ExecStop"), "sleep")) {
			u.status.Active, u.status.Sub = "deactivating", "stop"
			m.changed(name)
			m.killLate(name, u)
			return
		}
		m.halt(name, u)
		up = false
	}
	if u.kind == converge.StopJob || up {
		m.finish(name, u, "done")
		return
	}
	m.begin(name, u)
}

// halt has what runs of a unit be ended by a job.
func (m *Machine) halt(name cluster.UnitName, u *unit) {
	m.runs(name, u, false, ByJob)
	if u.status.Active == "activating" {
		m.settle(name, u, "failed") // its ExecStartPre was killed
	} else {
		m.settle(name, u, "inactive")
	}
}

// begin has a unit start. A restart has become a start by then: another one would
// end what starts.
func (m *Machine) begin(name cluster.UnitName, u *unit) {
	u.kind = converge.StartJob
	if base := option(u.text, "Requires"); base != "" && !m.startsWell(cluster.UnitName(base)) {
		m.finish(name, u, "dependency")
		return
	}
	if fenced(u.text) && !m.behind(u) {
		return
	}
	u.status.Invocation, u.status.Result = m.invocation(), "success"
	m.runs(name, u, true, ByJob)
	if option(u.text, "ExecStartPre") != "" {
		u.status.Active, u.status.Sub = "activating", "start-pre"
		m.changed(name)
		return
	}
	m.run(name, u)
}

// run has the unit's command run.
func (m *Machine) run(name cluster.UnitName, u *unit) {
	command, oneshot := option(u.text, "ExecStart"), option(u.text, "Type") == "oneshot"
	switch {
	case strings.HasPrefix(command, "/bin/false") && oneshot:
		m.settle(name, u, "failed")
		m.finish(name, u, "failed")
	case strings.HasPrefix(command, "/bin/false"):
		m.finish(name, u, "done")
		m.settle(name, u, "failed")
	case strings.HasPrefix(command, "/bin/true") || oneshot:
		m.finish(name, u, "done")
		m.settle(name, u, "inactive")
		m.forget(name)
	default:
		m.settle(name, u, "active")
		m.finish(name, u, "done")
	}
}

func (m *Machine) startsWell(name cluster.UnitName) bool {
	text, there := m.source(name)
	return there && !strings.HasPrefix(option(text, "ExecStart"), "/bin/false")
}

// settle has a unit reach a state.
func (m *Machine) settle(name cluster.UnitName, u *unit, active string) {
	if active != "active" {
		m.runs(name, u, false, ByItself)
	}
	u.status.Active = active
	switch active {
	case "active":
		u.status.Sub = "running"
	case "failed":
		u.status.Sub, u.status.Result = "failed", "exit-code"
	default:
		u.status.Sub = "dead"
	}
	m.changed(name)
	m.lower()
}

// finish ends the unit's job and tells who waits for it.
func (m *Machine) finish(name cluster.UnitName, u *unit, result string) {
	u.status.Job, u.awaits = 0, false
	m.changed(name)
	for _, w := range u.waiting {
		w(converge.Outcome{Result: result, Status: u.status})
	}
	u.waiting = nil
	if u.kind == converge.StopJob && u.status.Active == "inactive" {
		m.forget(name)
	}
	m.lower()
}

// option is the last value of a key in a unit's text.
func option(text, key string) (value string) {
	for line := range strings.Lines(text) {
		if v, is := strings.CutPrefix(line, key+"="); is {
			value = strings.TrimSpace(v)
		}
	}
	return value
}
