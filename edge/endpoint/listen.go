package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
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
		config.Control = freely
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

// freely lets one listen at an address that is not there yet: the bridge of a
// machine's containers comes with the first of them (ip(7), IP_FREEBIND).
func freely(_, _ string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
	})
	return errors.Join(controlErr, err)
}

// Neighbours lets in who comes from the network that the address it came to belongs
// to: the machine itself at 127.0.0.1, its containers at their bridge's. Without it,
// every machine that sends packets for the bridge's address here would be served.
func Neighbours(listener net.Listener) net.Listener { return neighbours{listener} }

type neighbours struct{ net.Listener }

func (n neighbours) Accept() (net.Conn, error) {
	for {
		client, err := n.Listener.Accept()
		if err != nil || isNeighbour(client.LocalAddr(), client.RemoteAddr(), ownNetworks()) {
			return client, err
		}
		_ = client.Close()
	}
}

func isNeighbour(here, there net.Addr, networks []*net.IPNet) bool {
	to, overTCP := here.(*net.TCPAddr)
	from, _ := there.(*net.TCPAddr)
	if !overTCP || to.IP.Equal(from.IP) {
		return true // a socket in the file system, or the machine's own
	}
	return slices.ContainsFunc(networks, func(network *net.IPNet) bool {
		return network.Contains(from.IP) && (network.IP.Equal(to.IP) || to.IP.IsLoopback() && network.IP.IsLoopback())
	})
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
