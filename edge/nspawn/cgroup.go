package nspawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroup is a control group by its folder in the version 2 tree (cgroups(7)),
// which hosts with version 1 controllers have as well, for freezing and killing.
type Cgroup string

// CgroupAt is the group at path below the root of the version 2 tree.
func CgroupAt(path ...string) (Cgroup, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	root, found := unifiedRoot(string(mounts))
	if !found {
		return "", errors.New("no cgroup version 2 tree is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
	}
	return Cgroup(filepath.Join(append([]string{root}, path...)...)), nil
}

// unifiedRoot finds where mountinfo (proc(5)) says that cgroup2 is mounted.
func unifiedRoot(mountinfo string) (string, bool) {
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if found && strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return fields[4], true
		}
	}
	return "", false
}

// create makes the group and hands every controller that is there down to it.
// One that cannot be handed down is one that machines do without: hosts whose
// controllers are all of version 1 have none to give.
func (c Cgroup) create() error {
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return fmt.Errorf("make the cgroup %s: %w", c, err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	root, _ := unifiedRoot(string(mounts))
	for _, group := range ancestors(root, string(c)) {
		available, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, controller := range strings.Fields(string(available)) {
			_ = os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
	}
	return nil
}

// ancestors lists the folders from root down to the parent of path.
func ancestors(root, path string) []string {
	var up []string
	for dir := filepath.Dir(path); len(dir) >= len(root) && dir != "/"; dir = filepath.Dir(dir) {
		up = append(up, dir)
	}
	slices.Reverse(up)
	return up
}

// open is the descriptor with which a process is started inside the group.
func (c Cgroup) open() (*os.File, error) {
	return os.OpenFile(string(c), unix.O_DIRECTORY|unix.O_PATH, 0)
}

// freeze stops or continues every process of the group and waits until it is so.
func (c Cgroup) freeze(ctx context.Context, on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	if err := os.WriteFile(filepath.Join(string(c), "cgroup.freeze"), []byte(value), 0); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.await(ctx, "frozen", value)
}

func (c Cgroup) frozen() bool {
	value, err := c.event("frozen")
	return err == nil && value == "1"
}

// Kill ends every process of the group with SIGKILL and waits until all are gone.
// A group that is not there has none. A process that is just being started into
// the group can slip through one kill, so it is killed again until it is empty.
func (c Cgroup) Kill(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := os.WriteFile(filepath.Join(string(c), "cgroup.kill"), []byte("1"), 0)
		if errors.Is(err, fs.ErrNotExist) {
			err = c.killEach() // before Linux 5.14
		}
		if err != nil {
			return fmt.Errorf("kill the processes of %s: %w", c, err)
		}
		soon, done := context.WithTimeout(bounded, 200*time.Millisecond)
		err = c.await(soon, "populated", "0")
		done()
		if err == nil || bounded.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// killEach kills what the group lists until it lists nothing more: a process
// may fork between the list and the kill, so the group is frozen meanwhile.
func (c Cgroup) killEach() error {
	if _, err := os.Stat(string(c)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_ = os.WriteFile(filepath.Join(string(c), "cgroup.freeze"), []byte("1"), 0)
	return filepath.WalkDir(string(c), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "cgroup.procs" {
			return ignoreMissing(err)
		}
		list, err := os.ReadFile(path)
		if err != nil {
			return ignoreMissing(err)
		}
		for _, word := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(word); err == nil && pid > 1 {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		return nil
	})
}

// Remove ends the group and all below it; one that is not there is no error.
func (c Cgroup) Remove(ctx context.Context) error {
	if err := c.Kill(ctx); err != nil {
		return err
	}
	var groups []string
	err := filepath.WalkDir(string(c), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return ignoreMissing(err)
	})
	if err != nil {
		return err
	}
	slices.Reverse(groups) // the innermost first
	for _, group := range groups {
		if err := ignoreMissing(os.Remove(group)); err != nil {
			return fmt.Errorf("remove the cgroup %s: %w", group, err)
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// event reads one line of cgroup.events.
func (c Cgroup) event(key string) (string, error) {
	text, err := os.ReadFile(filepath.Join(string(c), "cgroup.events"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == key {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s/cgroup.events has no %q", c, key)
}

// patience bounds the wait for the kernel to do what it was told.
const patience = 20 * time.Second

// await returns when cgroup.events says value for key, or ctx ends. The kernel
// tells of each change by POLLPRI.
func (c Cgroup) await(ctx context.Context, key, value string) error {
	file, err := os.Open(filepath.Join(string(c), "cgroup.events"))
	if err != nil {
		return ignoreMissing(err)
	}
	defer file.Close()
	for {
		now, err := c.event(key)
		if err != nil || now == value {
			return ignoreMissing(err)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %s is still %s: %w", c, key, now, err)
		}
		fds := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLPRI}} //nolint:gosec // a descriptor fits
		if _, err := unix.Poll(fds, 50); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
