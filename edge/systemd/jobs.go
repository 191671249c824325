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
// the unit has is canceled. It returns once systemd has accepted the job; how
// the job ended comes over the channel, which is closed without a word when the
// connection is lost first. ctx is looked at before the job is sent, not after:
// who gave up half-way would not know whether it was accepted. The job of a
// Quadlet file is that of the service which Podman's generator makes of it.
func (m *Manager) Enqueue(ctx context.Context, kind converge.Job, unit cluster.UnitName) (<-chan converge.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	s, err := m.current()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind, unit, err)
	}
	if unit.Quadlet() {
		s.alias(unit.Service(), unit)
	}
	s.mu.Lock()
	s.asking++
	s.mu.Unlock()
	var path dbus.ObjectPath
	err = s.call(ctx, managerPath, jobMethods[kind], string(unit.Service()), "replace").Store(&path)
	ended := s.wait(path, err)

	if unit.Quadlet() && noSuchUnit(err) {
		if fault := quadletFault(ctx, unit); fault != nil {
			err = fault
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", kind, unit, err)
	}
	if kind != converge.StopJob {
		s.learnFragment(ctx, unit)
	}
	return ended, nil
}

// wait notes that someone waits for the job, unless it was refused.
func (s *session) wait(path dbus.ObjectPath, refused error) <-chan converge.Outcome {
	ended := make(chan converge.Outcome, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking--
	outcome, early := s.early[path]
	switch {
	case refused != nil || s.conn.Context().Err() != nil:
		close(ended)
	case early:
		ended <- outcome
	default:
		s.waiting[path] = append(s.waiting[path], ended)
	}
	if s.asking == 0 {
		clear(s.early)
	}
	return ended
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
