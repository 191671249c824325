package systemd

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"argosy/core/cluster"
	"argosy/core/converge"
)

var jobMethods = map[converge.Job]string{
	converge.StartJob:   managerCall + "StartUnit",
	converge.StopJob:    managerCall + "StopUnit",
	converge.RestartJob: managerCall + "RestartUnit",
}

// Enqueue has systemd do a job, in mode "replace": a job of another kind that
// the unit has is canceled. It returns once systemd has accepted the job. Then
// ended is called, once, with how the job ended, maybe before Enqueue returns; it
// must not wait, nor call m. ctx is looked at before the job is sent, not after:
// who gave up half-way would not know whether it was accepted. The job of a
// Quadlet file is that of the service which Podman's generator makes of it.
func (m *Manager) Enqueue(ctx context.Context, kind converge.Job, unit cluster.UnitName, ended func(converge.Outcome)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	s, err := m.current()
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, unit, err)
	}
	if unit.Quadlet() {
		s.alias(unit.Service(), unit)
	}
	s.mu.Lock()
	s.asking++
	s.mu.Unlock()
	var path dbus.ObjectPath
	err = s.call(ctx, managerPath, jobMethods[kind], string(unit.Service()), "replace").Store(&path)
	s.wait(path, err, ended)

	if unit.Quadlet() && noSuchUnit(err) {
		if fault := quadletFault(ctx, unit); fault != nil {
			err = fault
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind, unit, err)
	}
	if kind != converge.StopJob {
		s.learnFragment(ctx, unit)
	}
	return nil
}

// wait notes that someone waits for the job, unless it was refused.
func (s *session) wait(path dbus.ObjectPath, refused error, ended func(converge.Outcome)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking--
	outcome, early := s.early[path]
	switch {
	case refused != nil:
	case s.conn.Context().Err() != nil:
		ended(converge.Outcome{})
	case early:
		ended(outcome)
	default:
		s.waiting[path] = append(s.waiting[path], ended)
	}
	if s.asking == 0 {
		clear(s.early)
	}
}

// Reload makes systemd read all its unit files again (systemctl daemon-reload).
// It takes 150-1,000 ms, during which systemd does nothing else.
func (m *Manager) Reload(ctx context.Context) error {
	s, err := m.current()
	if err == nil {
		err = s.call(ctx, managerPath, managerCall+"Reload").Err
	}
	if err != nil {
		return fmt.Errorf("reload systemd: %w", err)
	}
	return nil
}

// ResetFailed takes a failed unit out of systemd's memory; one that is not
// there is none.
func (m *Manager) ResetFailed(ctx context.Context, unit cluster.UnitName) error {
	s, err := m.current()
	if err == nil {
		err = s.call(ctx, managerPath, managerCall+"ResetFailedUnit", string(unit.Service())).Err
	}
	if noSuchUnit(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reset %s: %w", unit, err)
	}
	return nil
}

// noSuchUnit says whether systemd knows no unit of the name.
func noSuchUnit(err error) bool {
	var refused dbus.Error
	return errors.As(err, &refused) && refused.Name == systemdName+".NoSuchUnit"
}
