package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// tunnel reaches the API by way of another host. One ssh a target holds a socket
// here open that leads to the target, however many connections go through it.
type tunnel struct {
	shell secureShell
	err   io.Writer // for what ssh has to say

	mu       sync.Mutex
	folder   string // of the sockets here
	forwards map[string]*forward
}

// forward is one ssh, and the socket that it listens on once it is through.
type forward struct {
	socket string
	ssh    *exec.Cmd
	held   io.Closer // the far end ends when this is closed, and so when we are killed
	ended  chan struct{}
	err    error // set before ended is closed
}

// opening is the pause between two looks whether ssh has come through. A user
// may be typing a passphrase meanwhile.
const opening = 20 * time.Millisecond

// dial is a dialer of the tunnel's other end.
func (t *tunnel) dial(ctx context.Context, _, target string) (net.Conn, error) {
	f, err := t.forward(target)
	if err != nil {
		return nil, err
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", f.socket)
		if err == nil {
			return conn, nil
		}
		select {
		case <-f.ended:
			return nil, fmt.Errorf("tunnel to %s: ssh has ended: %w", t.shell.tunnel, f.err)
		case <-ctx.Done():
			return nil, fmt.Errorf("tunnel to %s: %w", t.shell.tunnel, ctx.Err())
		case <-time.After(opening):
		}
	}
}

// forward starts ssh for a target, a path or HOST:PORT, unless it runs already.
func (t *tunnel) forward(target string) (*forward, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, started := t.forwards[target]; started {
		return f, nil
	}
	if t.folder == "" {
		folder, err := os.MkdirTemp("", "fleetctl-")
		if err != nil {
			return nil, fmt.Errorf("tunnel to %s: %w", t.shell.tunnel, err)
		}
		t.folder, t.forwards = folder, map[string]*forward{}
	}
	f := &forward{socket: filepath.Join(t.folder, fmt.Sprint(len(t.forwards))), ended: make(chan struct{})}
	if err := t.start(f, target); err != nil {
		return nil, fmt.Errorf("tunnel to %s: %w", t.shell.tunnel, err)
	}
	t.forwards[target] = f
	return f, nil
}

func (t *tunnel) start(f *forward, target string) error {
	host, port, err := hostPort(t.shell.tunnel)
	if err != nil {
		return err
	}
	if err := t.shell.acquaint(host, port, nil); err != nil {
		return err
	}
	arguments, err := t.shell.to(host, port, []string{"-T", "-o", "ExitOnForwardFailure=yes", "-L", f.socket + ":" + target}, "cat")
	if err != nil {
		return err
	}
	ssh, err := secured(arguments)
	if err != nil {
		return err
	}
	ssh.Stderr = t.err
	if f.held, err = ssh.StdinPipe(); err != nil {
		return err
	}
	if err := ssh.Start(); err != nil {
		return err
	}
	f.ssh = ssh
	go f.wait()
	return nil
}

func (f *forward) wait() {
	if f.err = f.ssh.Wait(); f.err == nil {
		f.err = errors.New("the connection is closed")
	}
	close(f.ended)
}

// close ends what has been started, and waits for it.
func (t *tunnel) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.forwards {
		_ = f.held.Close()
		_ = f.ssh.Process.Signal(syscall.SIGTERM) // it may still be connecting, or have ended
		<-f.ended
	}
	t.forwards = nil
	if t.folder != "" {
		_ = os.RemoveAll(t.folder) // sockets that nobody listens on
		t.folder = ""
	}
}
