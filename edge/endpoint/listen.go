package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// socketMode lets every program of the machine in, as the port does.
const socketMode = 0o666

// Listen opens each of addresses, host:port or unix:/path, or none of them.
func Listen(ctx context.Context, addresses []string) ([]net.Listener, error) {
	var opened []net.Listener
	for _, address := range addresses {
		listener, err := listen(ctx, address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen at %s: %w", address, err), closeAll(opened))
		}
		opened = append(opened, listener)
	}
	return opened, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	path, isSocket := strings.CutPrefix(address, "unix:")
	var config net.ListenConfig
	if !isSocket {
		return config.Listen(ctx, "tcp", address)
	}
	listener, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		listener, err = config.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// abandoned reports whether path is a socket whose process died without removing
// it. A plain file refuses connections too, and stays.
func abandoned(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	connection, err := net.Dial("unix", path)
	if err == nil {
		_ = connection.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}
