package systemd

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// NoJob is what JobType returns where systemd does nothing with the service.
const NoJob = "none"

// unitJob is the property Job of org.freedesktop.systemd1.Unit.
type unitJob struct {
	ID   uint32
	Path dbus.ObjectPath
}

// JobType is the job that systemd is doing for the unit that process pid belongs
// to: "stop" for `systemctl stop` and for a shutdown, "restart" for `systemctl
// restart`, "start", or NoJob, for instance when a signal was sent by hand. It
// has a connection of its own: the process that asks is being ended.
func (m *Manager) JobType(ctx context.Context, pid int) (string, error) {
	kind, err := m.jobType(ctx, pid)
	if err != nil {
		return "", fmt.Errorf("ask systemd which job ends process %d: %w", pid, err)
	}
	return kind, nil
}

func (m *Manager) jobType(ctx context.Context, pid int) (string, error) {
	conn, err := dial(ctx, m.socket)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // nothing is buffered that could be lost
	ask := func(path dbus.ObjectPath, method string, args ...any) *dbus.Call {
		return conn.Object(systemdName, path).CallWithContext(ctx, method, 0, args...)
	}
	const get = "org.freedesktop.DBus.Properties.Get"
	var unit dbus.ObjectPath
	if err := ask(managerPath, managerCall+"GetUnitByPID", uint32(pid)).Store(&unit); err != nil {
		return "", err
	}
	var running unitJob
	if err := ask(unit, get, unitIface, "Job").Store(&running); err != nil {
		return "", err
	}
	if running.ID == 0 {
		return NoJob, nil
	}
	var kind string
	if err := ask(running.Path, get, systemdName+".Job", "JobType").Store(&kind); err != nil {
		return "", err
	}
	return kind, nil
}
