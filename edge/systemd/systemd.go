// Package systemd touches one machine's systemd: its jobs and states over
// D-Bus, the files it reads units from, and what systemctl and journalctl print.
// It decides nothing.
//
// It speaks org.freedesktop.systemd1(5) on systemd's own socket, so that no
// dbus-daemon is needed, and over one connection, so that the answer to a job
// and the signal of its end come in the order in which systemd sent them.
// go-systemd's connection is not used for this: it asks for one job at a time,
// drops signals when a reader is slow, and does not tell that it was lost.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// PrivateSocket is where systemd listens itself, for root alone.
const PrivateSocket = "/run/systemd/private"

const (
	systemdName = "org.freedesktop.systemd1"
	managerPath = dbus.ObjectPath("/org/freedesktop/systemd1")
	unitFolder  = managerPath + "/unit/"
	managerCall = systemdName + ".Manager."
	unitIface   = systemdName + ".Unit"
)

// answerTime outlasts a daemon-reload with thousands of units loaded, during
// which systemd answers nobody.
const answerTime = 60 * time.Second

// slowPass is how often a follower reads all of systemd's list again, in case
// a signal was missed. It costs 10-35 ms with 1,150 units.
const slowPass = time.Minute

// ErrDisconnected is wrapped where systemd cannot be reached at the moment.
var ErrDisconnected = errors.New("systemd cannot be reached")

// Manager is one machine's systemd. Its jobs need a Follow that runs.
type Manager struct {
	socket  string
	folders Folders

	mu   sync.Mutex
	live *session // nil while there is no connection
	why  error    // why there is none
	seq  sequence
}

// NewManager returns the systemd that listens on socket (PrivateSocket) and
// reads fleet's units from these folders. It does not connect yet.
func NewManager(socket string, folders Folders) *Manager {
	return &Manager{socket: socket, folders: folders, why: errors.New("not connected yet")}
}

// Follow connects to systemd and hands over first all units that systemd has in
// memory, then each change; changes that come while deliver is busy come
// together. After a lost connection (systemctl daemon-reexec ends them all) it
// connects again and hands over everything anew. It returns when ctx ends or
// deliver returns an error.
func (m *Manager) Follow(ctx context.Context, deliver func(converge.Observation) error) error {
	const shortest, longest = 50 * time.Millisecond, time.Second
	for pause := shortest; ; {
		reached, err := m.follow(ctx, deliver)
		var refused *deliverError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &refused):
			return refused.err
		case reached:
			pause = shortest
		default:
			pause = min(2*pause, longest)
		}
		m.setLive(nil, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// deliverError is an error of the follower's own, not of the connection.
type deliverError struct{ err error }

func (e *deliverError) Error() string { return e.err.Error() }

// follow is the life of one connection; reached says that it came about.
func (m *Manager) follow(ctx context.Context, deliver func(converge.Observation) error) (reached bool, err error) {
	s, err := m.connect(ctx)
	if err != nil {
		return false, err
	}
	defer s.close()
	if err := s.read(ctx, true); err != nil {
		return false, err
	}
	m.setLive(s, nil)
	defer m.setLive(nil, ErrDisconnected)
	return true, s.run(ctx, deliver)
}

func (m *Manager) setLive(s *session, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live, m.why = s, why
}

// current is the connection that Follow holds.
func (m *Manager) current() (*session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live == nil {
		return nil, fmt.Errorf("%w: %w", ErrDisconnected, m.why)
	}
	return m.live, nil
}

func (m *Manager) connect(ctx context.Context) (*session, error) {
	s := newSession(&m.seq, m.folders)
	conn, err := dial(ctx, m.socket, dbus.WithSignalHandler(s))
	if err != nil {
		return nil, err
	}
	s.conn = conn
	if err := s.call(ctx, managerPath, managerCall+"Subscribe").Err; err != nil {
		s.close()
		return nil, fmt.Errorf("subscribe to systemd's signals: %w", err)
	}
	return s, nil
}

// dial opens and authenticates a connection. systemd's own socket is no bus:
// there is no name to get (Hello) and no match to add.
func dial(ctx context.Context, socket string, options ...dbus.ConnOption) (*dbus.Conn, error) {
	conn, err := dbus.Dial("unix:path="+dbus.EscapeBusAddressValue(socket), options...)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	uid := dbus.AuthExternal(strconv.Itoa(os.Getuid()))
	if err = conn.Auth([]dbus.Auth{uid}); err == nil {
		err = greet(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("authenticate to systemd: %w", err), conn.Close())
	}
	return conn, nil
}

// greet waits until systemd answers. A message that reaches systemd together
// with the end of the authentication (seen with version 257, four times in
// five) lies there unread until more bytes come: so more are sent.
func greet(ctx context.Context, conn *dbus.Conn) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	for patience := shortest; ; patience = min(2*patience, longest) {
		short, cancel := context.WithTimeout(ctx, patience)
		err := conn.Object(systemdName, managerPath).CallWithContext(short, "org.freedesktop.DBus.Peer.Ping", 0).Err
		late := short.Err() != nil
		cancel()
		if err == nil || !late || ctx.Err() != nil {
			return err
		}
	}
}

// sequence numbers statuses across connections.
type sequence struct {
	mu   sync.Mutex
	last uint64
}

func (s *sequence) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return s.last
}

// unitPath is the D-Bus object of a unit: every byte but letters and digits
// becomes _XX, and so does a digit at the beginning.
func unitPath(unit cluster.UnitName) dbus.ObjectPath {
	path := []byte(unitFolder)
	for i := range len(unit) {
		c := unit[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9' {
			path = append(path, c)
		} else {
			path = append(path, fmt.Sprintf("_%02x", c)...)
		}
	}
	return dbus.ObjectPath(path)
}

// unitOf is the unit of a D-Bus object, or "" where the path is no unit's.
func unitOf(path dbus.ObjectPath) cluster.UnitName {
	if len(path) <= len(unitFolder) || path[:len(unitFolder)] != unitFolder {
		return ""
	}
	escaped := string(path[len(unitFolder):])
	name := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '_' && i+2 < len(escaped) {
			if c, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8); err == nil {
				name = append(name, byte(c))
				i += 2
				continue
			}
		}
		name = append(name, escaped[i])
	}
	return cluster.UnitName(name)
}
