package systemd

import (
	"fmt"

	"github.com/godbus/dbus/v5"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// DeliverSignal takes one signal in. The connection calls it for one message
// after the other, before it reads the next: what is known here is never ahead
// of, nor behind, the answers that callers see. It must not call systemd.
// Signals of another form than expected are passed over.
func (s *session) DeliverSignal(iface, name string, signal *dbus.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch iface + "." + name {
	case managerCall + "UnitNew":
		if unit, ok := text(signal.Body, 0); ok {
			s.alter(cluster.UnitName(unit), func(*converge.Status) {})
		}
	case managerCall + "UnitRemoved":
		if unit, ok := text(signal.Body, 0); ok {
			s.gone(cluster.UnitName(unit))
		}
	case managerCall + "JobNew":
		if j, ok := jobOf(signal.Body); ok {
			s.alter(j.unit, func(status *converge.Status) { status.Job = j.id })
		}
	case managerCall + "JobRemoved":
		if j, ok := jobOf(signal.Body); ok {
			s.jobEnded(j)
		}
	case managerCall + "Reloading":
		if begins, ok := at[bool](signal.Body, 0); ok {
			s.reloading = begins
			s.reread = true
			if !begins {
				s.allReloaded()
			}
		}
	case "org.freedesktop.DBus.Properties.PropertiesChanged":
		s.propertiesChanged(signal)
	}
}

// job is the body of JobNew and JobRemoved.
type job struct {
	id     uint32
	path   dbus.ObjectPath
	unit   cluster.UnitName
	result string // of JobRemoved
}

func jobOf(body []any) (job, bool) {
	id, hasID := at[uint32](body, 0)
	path, hasPath := at[dbus.ObjectPath](body, 1)
	unit, hasUnit := text(body, 2)
	result, _ := text(body, 3)
	return job{id: id, path: path, unit: cluster.UnitName(unit), result: result}, hasID && hasPath && hasUnit
}

func (s *session) jobEnded(j job) {
	if status, known := s.units[j.unit]; known && status.Job == j.id {
		s.alter(j.unit, func(status *converge.Status) { status.Job = 0 })
	}
	waiters, waited := s.waiting[j.path]
	delete(s.waiting, j.path)
	outcome := converge.Outcome{Result: j.result, Status: s.units[j.unit]}
	if ours, aliased := s.aliases[j.unit]; aliased {
		outcome.Status.Unit = ours
	}
	for _, w := range waiters {
		w(outcome)
	}
	if !waited && s.asking > 0 {
		s.early[j.path] = outcome
	}
}

// allReloaded: after a reload no text in systemd's memory is older than the disk's.
func (s *session) allReloaded() {
	for name, status := range s.units {
		if status.NeedReload {
			s.alter(name, func(status *converge.Status) { status.NeedReload = false })
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *session) propertiesChanged(signal *dbus.Signal) {
	unit := unitOf(signal.Path)
	iface, isText := text(signal.Body, 0)
	values, isMap := at[map[string]dbus.Variant](signal.Body, 1)
	if unit == "" || !isText || !isMap {
		return
	}
	was := s.units[unit]
	now := was
	if iface == unitIface {
		take(values, "ActiveState", &now.Active)
		take(values, "SubState", &now.Sub)
		take(values, "LoadState", &now.Load)
		var invocation []byte
		if take(values, "InvocationID", &invocation); len(invocation) > 0 {
			now.Invocation = fmt.Sprintf("%x", invocation)
		}
	} else {
		take(values, "Result", &now.Result)
	}
	if now != was || !was.InMemory {
		s.alter(unit, func(status *converge.Status) {
			seq := status.Seq
			*status = now
			status.Unit, status.InMemory, status.Seq = unit, true, seq
		})
	}
}

// take sets to from a property that is there and of its type.
func take[T any](values map[string]dbus.Variant, name string, to *T) {
	if v, there := values[name]; there {
		if value, ok := v.Value().(T); ok {
			*to = value
		}
	}
}

func at[T any](body []any, i int) (value T, ok bool) {
	if i < len(body) {
		value, ok = body[i].(T)
	}
	return value, ok
}

func text(body []any, i int) (string, bool) {
	s, ok := at[string](body, i)
	return s, ok && s != ""
}
