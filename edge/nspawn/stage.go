package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Subcommand is the hidden word by which the binary is called again for each
// stage of a machine's start: `argosy local-machine STAGE FOLDER`, which must
// come to Stage.
//
//	launch  starts the keeper and ends, so that the keeper is nobody's child
//	keep    boots the machine, and again whenever it reboots
//	boot    PID 1 of new namespaces: makes the mounts, becomes systemd-nspawn
const Subcommand = "local-machine"

// Stage runs one stage of the machine whose folder is dir.
func Stage(ctx context.Context, stage, dir string) error {
	m, err := Open(dir)
	if err != nil {
		return err
	}
	switch stage {
	case "launch":
		return m.launch()
	case "keep":
		return m.keep(ctx)
	case "boot":
		return m.boot()
	default:
		return fmt.Errorf("%s has no stage %q", Subcommand, stage)
	}
}

// Start boots the machine in the network namespace of the calling thread, as a
// process of its own that outlives the caller. binary is an argosy. It returns
// when systemd-nspawn is being executed; a machine that is on stays as it is.
func (m *Machine) Start(ctx context.Context, binary string) error {
	if m.State() != Off {
		return nil
	}
	// What is left of a machine that died is in the way of its next boot.
	if err := m.Kill(ctx); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, binary, Subcommand, "launch", m.dir)
	// Nothing is launched any more once the caller has died. The thread is the
	// caller's own: it is in a namespace that others are not in.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("start %s: %w: %s", m.Spec.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// launch starts the keeper in a session and a control group of its own and waits
// for its word that the machine is being booted.
func (m *Machine) launch() error {
	keepers, err := m.keepers()
	if err != nil {
		return err
	}
	if err := keepers.create(); err != nil {
		return err
	}
	group, err := keepers.open()
	if err != nil {
		return err
	}
	defer group.Close()
	console, err := os.OpenFile(m.Console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	cmd := exec.Command("/proc/self/exe", Subcommand, "keep", m.dir) //nolint:noctx // it outlives this process
	cmd.Args[0], cmd.Dir = "argosy", "/"
	cmd.Stdout, cmd.Stderr = console, console
	cmd.ExtraFiles = []*os.File{writer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	err = cmd.Start()
	_ = writer.Close()
	if err != nil {
		return fmt.Errorf("start the keeper: %w", err)
	}
	said, err := io.ReadAll(reader)
	if err == nil && string(said) != ready {
		err = errors.New(strings.TrimSpace(string(said)))
	}
	return err
}

// ready is the keeper's word to launch that all went well.
const ready = "ready"

// rebooting is systemd-nspawn's exit code when the machine asked for a reboot.
const rebooting = 133

// keep boots the machine until it ends other than by a reboot.
func (m *Machine) keep(ctx context.Context) error {
	// The child is killed when the thread that started it ends.
	runtime.LockOSThread()
	tell := os.NewFile(3, "launch")
	unix.CloseOnExec(3)
	for {
		cmd, err := m.startBoot(ctx)
		if err != nil {
			_, _ = io.WriteString(tell, err.Error())
			return err
		}
		_, _ = io.WriteString(tell, ready) // fails from the second boot on: nobody listens
		_ = tell.Close()
		err = cmd.Wait()
		if cmd.ProcessState.ExitCode() != rebooting {
			return errors.Join(err, os.Remove(m.recordPath()))
		}
	}
}

// startBoot starts the stage boot in the machine's control group and records it.
func (m *Machine) startBoot(ctx context.Context) (*exec.Cmd, error) {
	group, err := m.group()
	if err != nil {
		return nil, err
	}
	if err := group.Remove(ctx); err != nil {
		return nil, err
	}
	if err := group.create(); err != nil {
		return nil, err
	}
	descriptor, err := group.open()
	if err != nil {
		return nil, err
	}
	defer descriptor.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", Subcommand, "boot", m.dir)
	cmd.Args[0], cmd.Dir = "argosy", "/"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:      true,
		Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:   unix.SIGKILL,
		UseCgroupFD: true,
		CgroupFD:    int(descriptor.Fd()),
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start in new namespaces: %w", err)
	}
	if err := m.write(cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return cmd, nil
}

// write records this keeper and the systemd-nspawn that it started.
func (m *Machine) write(nspawn int) error {
	keeper, err := processOf(os.Getpid())
	if err != nil {
		return err
	}
	booted, err := processOf(nspawn)
	if err != nil {
		return err
	}
	return writeJSON(m.recordPath(), record{HostBoot: hostBoot(), Keeper: keeper, Nspawn: booted, Booted: time.Now().UTC()})
}

// root is where the machine's layers are joined, in its own mount namespace.
const root = "/run/argosy/root"

// boot makes the mounts that systemd-nspawn needs and becomes it.
func (m *Machine) boot() error {
	runtime.LockOSThread()
	// The control group that this process is in becomes the root of what the
	// machine sees: two machines in one would collide.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("make a cgroup namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Unmount("/sys/fs/cgroup", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount /sys/fs/cgroup: %w", err)
	}
	for _, mount := range []struct{ kind, at, options string }{
		{"proc", "/proc", ""},
		{"cgroup2", "/sys/fs/cgroup", ""},
		{"tmpfs", "/run", "mode=755"}, // systemd-nspawn refuses any other file system there
	} {
		if err := unix.Mount(mount.kind, mount.at, mount.kind, 0, mount.options); err != nil {
			return fmt.Errorf("mount %s at %s: %w", mount.kind, mount.at, err)
		}
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("overlay", root, "overlay", 0, m.overlay()); err != nil {
		return fmt.Errorf("mount the layers of %s: %w", m.Spec.Name, err)
	}
	program, err := exec.LookPath("systemd-nspawn")
	if err != nil {
		return err
	}
	// The keeper asked for this already, but the kernel keeps it by thread, and
	// this one need not be the one that the process began with.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the keeper: %w", err)
	}
	return unix.Exec(program, m.arguments(), environment)
}

// overlay are the mount options that join layers and disk (overlayfs).
func (m *Machine) overlay() string {
	return fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(m.Spec.Layers, ":"),
		filepath.Join(m.dir, "disk/upper"), filepath.Join(m.dir, "disk/work"))
}

// environment of systemd-nspawn (systemd's docs/ENVIRONMENT.md). Of /proc/sys
// the machine may write the network's part alone: the rest is the host's too.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",
	"SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",
	"SYSTEMD_SECCOMP=0", // container engines load filters of their own
}

// arguments of systemd-nspawn(1).
func (m *Machine) arguments() []string {
	argv := []string{
		"systemd-nspawn", "--quiet", "--boot", "--settings=no",
		"--directory=" + root, "--machine=" + m.Spec.Name,
		"--register=no", "--keep-unit", // nobody manages it but its keeper
		"--console=read-only",
		"--capability=all", // dockerd fails with fewer
		"--network-bridge=" + m.Spec.Bridge,
		"--resolv-conf=off", "--timezone=off", "--link-journal=no",
	}
	for _, bind := range m.Spec.Binds {
		argv = append(argv, "--bind="+bind.From+":"+bind.To)
	}
	return argv
}
