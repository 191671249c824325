// Package localnet gives the machines of a local cluster a network of their
// own: a network namespace with a bridge in it, and the faults that can be laid
// between the bridge's ports. The host's own network is never touched.
package localnet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// directory is where ip-netns(8) looks, so that its commands find ours.
const directory = "/run/netns"

// Namespace is a network namespace, by the file that stands for it.
type Namespace string

// Named is the namespace that ip-netns(8) knows by name.
func Named(name string) Namespace { return Namespace(filepath.Join(directory, name)) }

// Of is the namespace that a process is in.
func Of(pid int) Namespace { return Namespace(fmt.Sprintf("/proc/%d/ns/net", pid)) }

// Exists says whether the namespace is there to be entered.
func (n Namespace) Exists() bool {
	var stat unix.Statfs_t
	return unix.Statfs(string(n), &stat) == nil && stat.Type == unix.NSFS_MAGIC
}

// Create makes the namespace. It does what `ip netns add` does but for one
// thing: that also turns /run/netns into a mount, which would stay for ever.
func (n Namespace) Create() error {
	if n.Exists() {
		return nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(string(n), nil, 0o444); err != nil {
		return err
	}
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		own := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		return unix.Mount(own, string(n), "", unix.MS_BIND, "")
	})
	if err != nil {
		return errors.Join(fmt.Errorf("make the network namespace %s: %w", n, err), os.Remove(string(n)))
	}
	return nil
}

// Delete ends the namespace, and with its last process all links in it. One
// that is not there is no error.
func (n Namespace) Delete() error {
	for n.Exists() {
		if err := unix.Unmount(string(n), unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount the network namespace %s: %w", n, err)
		}
	}
	if err := os.Remove(string(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Enter moves the calling goroutine into the namespace for good: it stays
// locked to its thread. What it starts or execs from there is in the namespace.
func (n Namespace) Enter() error {
	runtime.LockOSThread()
	file, err := os.Open(string(n))
	if err != nil {
		return fmt.Errorf("enter the network namespace %s: %w", n, err)
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace %s: %w", n, err)
	}
	return nil
}

// Do calls work inside the namespace and returns what it returns.
func (n Namespace) Do(work func() error) error {
	return onOwnThread(func() error {
		if err := n.Enter(); err != nil {
			return err
		}
		return work()
	})
}

// onOwnThread calls work on a thread that ends with it, so that a changed
// namespace never leaks into another goroutine.
func onOwnThread(work func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- work()
	}()
	return <-done
}
