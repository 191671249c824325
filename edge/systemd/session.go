package systemd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// session is one connection and what was learnt over it.
type session struct {
	conn    *dbus.Conn
	seq     *sequence
	folders Folders

	mu      sync.Mutex
	units   map[cluster.UnitName]converge.Status
	aliases map[cluster.UnitName]cluster.UnitName // systemd's own name for a unit -> ours, where they differ
	theirs  map[cluster.UnitName]cluster.UnitName // ours -> systemd's own
	changed map[cluster.UnitName]bool             // to be delivered
	touched map[cluster.UnitName]bool             // by a signal, while a list is being read
	waiting map[dbus.ObjectPath][]func(converge.Outcome)
	asking  int                                  // calls for jobs that are not answered yet
	early   map[dbus.ObjectPath]converge.Outcome // jobs that ended before their call was heard of

	// reloading holds deliveries back: units leave and enter systemd's memory.
	reloading bool
	reread    bool          // read systemd's list again before delivering
	wake      chan struct{} // something changed; capacity 1
}

func newSession(seq *sequence, folders Folders) *session {
	return &session{
		seq: seq, folders: folders,
		units:   map[cluster.UnitName]converge.Status{},
		aliases: map[cluster.UnitName]cluster.UnitName{},
		theirs:  map[cluster.UnitName]cluster.UnitName{},
		changed: map[cluster.UnitName]bool{},
		waiting: map[dbus.ObjectPath][]func(converge.Outcome){},
		early:   map[dbus.ObjectPath]converge.Outcome{},
		wake:    make(chan struct{}, 1),
	}
}

// close ends the connection. Who waits for a job hears that nothing more will come.
func (s *session) close() {
	_ = s.conn.Close() // nothing is buffered that could be lost
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, waiters := range s.waiting {
		for _, w := range waiters {
			w(converge.Outcome{})
		}
		delete(s.waiting, path)
	}
}

func (s *session) call(ctx context.Context, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return s.conn.Object(systemdName, path).CallWithContext(ctx, method, 0, args...)
}

// run delivers until ctx ends, the connection is lost or deliver returns an error.
func (s *session) run(ctx context.Context, deliver func(converge.Observation) error) error {
	if err := deliver(s.everything()); err != nil {
		return &deliverError{err}
	}
	pass := time.NewTicker(slowPass)
	defer pass.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.conn.Context().Done():
			return errors.New("the connection to systemd was lost")
		case <-pass.C:
			s.mu.Lock()
			s.reread = true
			s.mu.Unlock()
		case <-s.wake:
		}
		if s.takeReread() {
			if err := s.read(ctx, false); err != nil {
				return err
			}
		}
		if seen := s.take(); len(seen.Units) > 0 {
			if err := deliver(seen); err != nil {
				return &deliverError{err}
			}
		}
	}
}

func (s *session) takeReread() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.reread && !s.reloading
	if now {
		s.reread = false
	}
	return now
}

// everything is all that is known, and leaves nothing to be delivered.
func (s *session) everything() converge.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.changed)
	seen := converge.Observation{Reset: true}
	for name := range s.units {
		seen.Units = append(seen.Units, s.status(name))
	}
	for _, ours := range s.aliases {
		seen.Units = append(seen.Units, s.status(ours))
	}
	return seen
}

// take is what has changed since it was taken last.
func (s *session) take() converge.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seen converge.Observation
	if s.reloading || s.reread {
		return seen
	}
	for name := range s.changed {
		seen.Units = append(seen.Units, s.status(name))
	}
	for name := range s.changed { // only now: a status may be told under two names
		if !s.units[name].InMemory {
			delete(s.units, name)
		}
	}
	clear(s.changed)
	return seen
}

// alias notes that systemd has another name for a unit of ours.
func (s *session) alias(theirs, ours cluster.UnitName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aliases[theirs], s.theirs[ours] = ours, theirs
}

// status is what is known of a unit under the name that fleet has for it.
// s.mu is held.
func (s *session) status(name cluster.UnitName) converge.Status {
	if theirs, aliased := s.theirs[name]; aliased {
		status := s.units[theirs]
		status.Unit = name
		return status
	}
	return s.units[name]
}

// alter changes what is known of a unit and marks it for delivery. s.mu is held.
func (s *session) alter(name cluster.UnitName, change func(*converge.Status)) {
	status := s.units[name]
	status.Unit, status.InMemory = name, true
	change(&status)
	status.Seq = s.seq.next()
	s.units[name] = status
	s.mark(name)
}

// mark has a unit delivered. s.mu is held.
func (s *session) mark(name cluster.UnitName) {
	if s.touched != nil {
		s.touched[name] = true
	}
	if ours, aliased := s.aliases[name]; aliased {
		s.changed[ours] = true
	}
	s.changed[name] = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// listed is a row of ListUnits.
type listed struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	Job                                             uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}

// read brings what is known up to systemd's own list. first asks the details of
// each of our units too; later only of those that the signals had left behind.
func (s *session) read(ctx context.Context, first bool) error {
	s.mu.Lock()
	s.touched = map[cluster.UnitName]bool{}
	s.mu.Unlock()
	var rows []listed
	err := s.call(ctx, managerPath, managerCall+"ListUnits").Store(&rows)
	if err != nil {
		return fmt.Errorf("list systemd's units: %w", err)
	}
	behind := s.learn(rows)
	ours, err := s.folders.names()
	if err != nil {
		return err
	}
	for _, name := range append(ours, converge.FenceUnit) {
		if name.Quadlet() {
			s.alias(name.Service(), name)
		}
		if behind[name.Service()] || first {
			if err := s.details(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// learn takes over a list. A unit that a signal has touched since the list was
// asked for is known better than it; only what no signal carries is taken.
// It returns the units that were not known so.
func (s *session) learn(rows []listed) map[cluster.UnitName]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	touched := s.touched
	s.touched = nil
	behind, there := map[cluster.UnitName]bool{}, map[cluster.UnitName]bool{}
	for _, row := range rows {
		name := cluster.UnitName(row.Name)
		there[name] = true
		was, known := s.units[name]
		now := was
		now.Unit, now.InMemory, now.Load = name, true, row.Load
		if !touched[name] || was.Active == "" {
			now.Active, now.Sub, now.Job = row.Active, row.Sub, row.Job
		}
		if known && now == was {
			continue
		}
		if !known || now.Active != was.Active || now.Load != was.Load {
			behind[name] = true
		}
		s.alter(name, func(status *converge.Status) { *status = now })
	}
	for name, was := range s.units {
		if was.InMemory && !there[name] && !touched[name] {
			s.gone(name)
		}
	}
	return behind
}

// gone notes that a unit has left systemd's memory. s.mu is held.
func (s *session) gone(name cluster.UnitName) {
	was := s.units[name]
	s.units[name] = converge.Status{Unit: name, Active: "inactive", Sub: "dead",
		Result: was.Result, Shadow: was.Shadow, Seq: s.seq.next()}
	s.mark(name)
}

// details asks what neither the list nor a signal says of a unit of ours.
func (s *session) details(ctx context.Context, unit cluster.UnitName) error {
	theirs, err := s.identify(ctx, unit)
	if theirs == "" || err != nil {
		return err
	}
	path := unitPath(theirs)
	fragment := property[string](ctx, s, path, unitIface, "FragmentPath")
	reload := property[bool](ctx, s, path, unitIface, "NeedDaemonReload")
	invocation := property[[]byte](ctx, s, path, unitIface, "InvocationID")
	result := property[string](ctx, s, path, resultIface(theirs), "Result")

	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.units[theirs]; !known {
		return nil // it left meanwhile
	}
	s.alter(theirs, func(status *converge.Status) {
		status.NeedReload, status.Result = reload, result
		status.Shadow = s.folders.shadow(unit, fragment)
		if len(invocation) > 0 {
			status.Invocation = fmt.Sprintf("%x", invocation)
		}
	})
	return nil
}

// identify is systemd's own name for a unit of ours, "" where it has none in
// memory. The two differ for Quadlet files, and where a link in
// /etc/systemd/system makes ours an alias of another unit.
func (s *session) identify(ctx context.Context, unit cluster.UnitName) (cluster.UnitName, error) {
	s.mu.Lock()
	known := s.units[unit.Service()].InMemory
	s.mu.Unlock()
	if known {
		return unit.Service(), nil
	}
	var path dbus.ObjectPath
	err := s.call(ctx, managerPath, managerCall+"GetUnit", string(unit.Service())).Store(&path)
	if refused := (dbus.Error{}); errors.As(err, &refused) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask systemd for %s: %w", unit, err)
	}
	theirs := unitOf(path)
	if theirs != unit {
		s.alias(theirs, unit)
	}
	return theirs, nil
}

// learnFragment notes which file systemd took for a unit of ours.
func (s *session) learnFragment(ctx context.Context, unit cluster.UnitName) {
	fragment := property[string](ctx, s, unitPath(unit.Service()), unitIface, "FragmentPath")
	shadow := s.folders.shadow(unit, fragment)
	if shadow == "" {
		return
	}
	theirs, err := s.identify(ctx, unit)
	if theirs == "" || err != nil {
		return // it left meanwhile
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alter(theirs, func(status *converge.Status) { status.Shadow = shadow })
}

// property is one property of an object, or nothing where it has none.
func property[T any](ctx context.Context, s *session, path dbus.ObjectPath, iface, name string) (value T) {
	var v dbus.Variant
	if s.call(ctx, path, "org.freedesktop.DBus.Properties.Get", iface, name).Store(&v) == nil {
		value, _ = v.Value().(T)
	}
	return value
}

// resultIface is the interface of a unit's type, which has its Result.
func resultIface(unit cluster.UnitName) string {
	kind := strings.TrimPrefix(unit.Suffix(), ".")
	if kind == "" {
		return systemdName + ".Service"
	}
	return systemdName + "." + strings.ToUpper(kind[:1]) + kind[1:]
}

// generated is where systemd has generators put units, see systemd.generator(7).
const generated = "/run/systemd/generator"

// shadow is fragment where it is another file than fleet's, or than what Podman's
// generator makes of fleet's.
func (f Folders) shadow(unit cluster.UnitName, fragment string) string {
	if unit.Quadlet() && filepath.Dir(fragment) == generated {
		return ""
	}
	if fragment == "" || fragment == f.link(unit) || fragment == f.text(unit) || filepath.Dir(fragment) == f.Units {
		return ""
	}
	return fragment
}
