// Package nspawn runs one machine of a local cluster: a real systemd in a
// systemd-nspawn container over layers of a file system, which can be killed,
// frozen and booted again as a machine can.
//
// A machine is two processes. The keeper boots it, and again when it reboots;
// below it is systemd-nspawn in namespaces of its own, so that its mounts and
// processes end with it whatever happens. Both are in control groups by which
// they are found and killed even if every record is lost.
package nspawn

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Spec says what a machine is made of. It lies in the machine's folder, where
// the keeper reads it.
type Spec struct {
	Name   string   `json:"name"`
	Group  string   `json:"group"`  // the control group of its cluster, below the root
	Layers []string `json:"layers"` // read-only file systems, the topmost first
	Binds  []Bind   `json:"binds"`
	Bridge string   `json:"bridge"` // in the network namespace that Start is called in
}

// Bind shows a folder of the host in the machine, writable. Container engines
// need one: they cannot lay an overlay over an overlay.
type Bind struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Machine is a machine by its folder on the host.
type Machine struct {
	Spec Spec
	dir  string
}

// State is what a machine is doing.
type State string

const (
	Off     State = "off"
	Booting State = "booting" // its systemd has not started yet
	Running State = "running"
	Paused  State = "paused"
)

// record is what the keeper writes about the machine that it boots.
type record struct {
	HostBoot string    `json:"host_boot"` // process numbers mean nothing after the host's reboot
	Keeper   Process   `json:"keeper"`
	Nspawn   Process   `json:"nspawn"`
	Booted   time.Time `json:"booted"`
}

// Create writes spec into dir, with the machine's empty disk if it has none.
func Create(dir string, spec Spec) (*Machine, error) {
	for _, sub := range []string{"disk/upper", "disk/work"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	for _, bind := range spec.Binds {
		if err := os.MkdirAll(bind.From, 0o755); err != nil {
			return nil, err
		}
	}
	if err := writeJSON(filepath.Join(dir, "machine.json"), spec); err != nil {
		return nil, err
	}
	return &Machine{Spec: spec, dir: dir}, nil
}

// Open reads what Create wrote.
func Open(dir string) (*Machine, error) {
	var spec Spec
	if err := readJSON(filepath.Join(dir, "machine.json"), &spec); err != nil {
		return nil, err
	}
	return &Machine{Spec: spec, dir: dir}, nil
}

func (m *Machine) group() (Cgroup, error)   { return CgroupAt(m.Spec.Group, m.Spec.Name) }
func (m *Machine) keepers() (Cgroup, error) { return CgroupAt(m.Spec.Group, "keepers") }
func (m *Machine) recordPath() string       { return filepath.Join(m.dir, "running.json") }

// Console is the file with what the machine printed while booting.
func (m *Machine) Console() string { return filepath.Join(m.dir, "console.log") }

// read is the keeper's record, zero if the machine is off. A record that cannot
// be read is none: the control groups say what runs.
func (m *Machine) read() record {
	var r record
	if readJSON(m.recordPath(), &r) != nil || r.HostBoot != hostBoot() || !r.Nspawn.Alive() {
		return record{}
	}
	return r
}

// State looks at the machine.
func (m *Machine) State() State {
	r := m.read()
	group, err := m.group()
	switch {
	case err != nil || r.Nspawn.PID == 0:
		return Off
	case group.frozen():
		return Paused
	}
	if _, err := r.Nspawn.leader(); err != nil {
		return Booting
	}
	return Running
}

// Leader is the number, on the host, of the machine's PID 1. Its files are below
// /proc/<number>/root.
func (m *Machine) Leader() (int, error) {
	r := m.read()
	if r.Nspawn.PID == 0 {
		return 0, fmt.Errorf("%s is off", m.Spec.Name)
	}
	leader, err := r.Nspawn.leader()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", m.Spec.Name, err)
	}
	return leader.PID, nil
}

// Kill ends the whole machine with SIGKILL at once, as a power cut does. Its disk
// stays. A machine that is off stays so.
func (m *Machine) Kill(ctx context.Context) error {
	// The keeper first, so that it does not take the kill for a reboot.
	var r record
	if readJSON(m.recordPath(), &r) == nil && r.HostBoot == hostBoot() {
		if err := r.Keeper.kill(); err != nil {
			return fmt.Errorf("kill the keeper of %s: %w", m.Spec.Name, err)
		}
	}
	group, err := m.group()
	if err != nil {
		return err
	}
	if err := group.Remove(ctx); err != nil {
		return fmt.Errorf("kill %s: %w", m.Spec.Name, err)
	}
	return ignoreMissing(os.Remove(m.recordPath()))
}

// Pause stops every process of the machine where it is, Resume lets it go on.
func (m *Machine) Pause(ctx context.Context) error  { return m.freeze(ctx, true) }
func (m *Machine) Resume(ctx context.Context) error { return m.freeze(ctx, false) }

func (m *Machine) freeze(ctx context.Context, on bool) error {
	if m.read().Nspawn.PID == 0 {
		return fmt.Errorf("%s is off", m.Spec.Name)
	}
	group, err := m.group()
	if err != nil {
		return err
	}
	if err := group.freeze(ctx, on); err != nil {
		return fmt.Errorf("freeze or thaw %s: %w", m.Spec.Name, err)
	}
	return nil
}

// hostBoot is the identity of the host's present boot.
func hostBoot() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

// writeJSON replaces a file as a whole, so that no reader ever sees half of it.
func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
