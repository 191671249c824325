package nspawn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Run runs one command as root inside the machine and returns what it wrote to
// stdout, and its exit code. An error is one of running it: a command that ends
// with a code other than 0 is none, and its stderr follows its stdout.
func (m *Machine) Run(ctx context.Context, argv ...string) ([]byte, int, error) {
	leader, err := m.Leader()
	if err != nil {
		return nil, 0, err
	}
	group, err := m.visitors()
	if err != nil {
		return nil, 0, fmt.Errorf("run %s on %s: %w", strings.Join(argv, " "), m.Spec.Name, err)
	}
	defer group.Close()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", strconv.Itoa(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
	}, argv...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
	// nsenter forks, and both must end when ctx does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	var exit *exec.ExitError
	if ctx.Err() == nil && errors.As(err, &exit) && exit.Exited() {
		out.Write(said.Bytes())
		return out.Bytes(), exit.ExitCode(), nil
	}
	if err != nil {
		return out.Bytes(), 0, fmt.Errorf("run %s on %s: %w: %s", strings.Join(argv, " "), m.Spec.Name, errors.Join(err, ctx.Err()), strings.TrimSpace(said.String()))
	}
	return out.Bytes(), 0, nil
}

// visitors opens the control group for commands from the host: inside the
// machine's, so that a pause or a kill holds for them too.
func (m *Machine) visitors() (*os.File, error) {
	group, err := m.group()
	if err != nil {
		return nil, err
	}
	visitors := Cgroup(filepath.Join(string(group), "payload", "visitors"))
	if err := os.Mkdir(string(visitors), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return visitors.open()
}
