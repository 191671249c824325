package basetree

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Cache is the folder with the trees that were built.
type Cache struct {
	Dir    string
	Mirror string // of Debian packages
}

// Find is where the recipe's tree lies, and whether it does.
func (c Cache) Find(recipe Recipe) (path string, found bool) {
	path = filepath.Join(c.Dir, recipe.Key())
	_, err := os.Stat(path)
	return path, err == nil
}

// Ensure returns the recipe's tree, which it builds if the cache has none; said
// receives each line of progress. A tree gets its name when it is complete, so
// that an interrupted build never counts.
func (c Cache) Ensure(ctx context.Context, recipe Recipe, said func(string)) (string, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := c.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	path, found := c.Find(recipe)
	if found {
		return path, nil
	}
	unfinished := filepath.Join(c.Dir, "unfinished")
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := c.build(ctx, recipe, unfinished, said); err != nil {
		return "", fmt.Errorf("build the base tree in %s: %w", unfinished, err)
	}
	return path, os.Rename(unfinished, path)
}

// lock keeps a second build out until the first is done; then it finds the tree.
func (c Cache) lock() (unlock func(), err error) {
	dir, err := os.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("lock %s: %w", c.Dir, err)
	}
	return func() { _ = dir.Close() }, nil
}

func (c Cache) build(ctx context.Context, recipe Recipe, tree string, said func(string)) error {
	packages := filepath.Join(c.Dir, "packages") // kept: the next recipe needs most of them
	if err := os.MkdirAll(packages, 0o755); err != nil {
		return err
	}
	argv := []string{
		"debootstrap", "--variant=minbase", "--merged-usr", "--arch=" + recipe.Arch, "--cache-dir=" + packages,
		"--include=" + strings.Join(recipe.Packages, ","), recipe.Suite, tree, c.Mirror,
	}
	if err := run(ctx, said, argv); err != nil {
		return err
	}
	for _, command := range recipe.Commands {
		if err := run(ctx, func(string) {}, append([]string{"chroot", tree}, command...)); err != nil {
			return err
		}
	}
	return recipe.finish(tree)
}

// finish writes and removes what packages do not.
func (r Recipe) finish(tree string) error {
	for _, unit := range r.Masked {
		link := filepath.Join(tree, "etc/systemd/system", unit)
		_ = os.Remove(link)
		if err := os.Symlink("/dev/null", link); err != nil {
			return err
		}
	}
	for path, text := range r.Files {
		file := filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), mode(path)); err != nil {
			return err
		}
	}
	for _, path := range r.Removed {
		if err := os.RemoveAll(filepath.Join(tree, path)); err != nil {
			return err
		}
	}
	return nil
}

// mode is a file's mode: sudo ignores what others than its owner may write.
func mode(path string) os.FileMode {
	if strings.HasPrefix(path, "etc/sudoers.d/") {
		return 0o440
	}
	return 0o644
}

// run runs one command in mount and process namespaces of its own, so that what
// it mounts and starts ends with it, even if this process is killed meanwhile.
func run(ctx context.Context, said func(string), argv []string) error {
	reader, writer := io.Pipe()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "LC_") || strings.HasPrefix(pair, "LANG") // the tree has none but C
	}), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	cmd.Stdout, cmd.Stderr = writer, writer
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS, // with it Go makes all mounts private
		Pdeathsig:    unix.SIGKILL,
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the command is killed when this thread ends
		defer runtime.UnlockOSThread()
		err := cmd.Run()
		_ = writer.Close()
		done <- err
	}()
	var last []string
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		said(lines.Text())
		last = append(last[max(0, len(last)-14):], lines.Text())
	}
	_, _ = io.Copy(io.Discard, reader) // a line beyond the scanner's limit
	if err := <-done; err != nil {
		return fmt.Errorf("%s: %w; its last words:\n%s", argv[0]+" "+argv[1], errors.Join(err, ctx.Err()), strings.Join(last, "\n"))
	}
	return nil
}
