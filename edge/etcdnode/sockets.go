package etcdnode

import (
	"context"
	"net/url"
	"os"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sys/unix"
)

const (
	// peerSilence is how long what was sent to another member may go
	// unacknowledged before the connection counts as dead. The kernel's own pause
	// between attempts grows with the time that a member is cut off, and etcd sets
	// no bound to its posts to peers: back in the network, such a member answers
	// its clients and hears nothing of raft's leader, for a quarter of the time
	// that it was away.
	peerSilence = 2 * time.Second
	// probePeers is how often the kernel asks whether the other end of a quiet
	// connection is there: of one whose answer was lost nothing is left to send.
	probePeers = time.Second
	// lookEvery is how soon a new connection has both.
	lookEvery = time.Second
)

// watchPeers bounds the silence of each connection to a peer until ctx ends. etcd
// makes these connections itself and has no place for a dialer, so they are looked
// for among this process's own.
func watchPeers(ctx context.Context, server *embed.Etcd) {
	local := ports(server.Config().ListenPeerUrls)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		remote := map[int]bool{}
		for _, member := range server.Server.Cluster().Members() {
			for _, address := range member.PeerURLs {
				if at, err := url.Parse(address); err == nil {
					addPort(remote, *at)
				}
			}
		}
		limitSilence(local, remote)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func ports(urls []url.URL) map[int]bool {
	all := map[int]bool{}
	for _, at := range urls {
		addPort(all, at)
	}
	return all
}

func addPort(all map[int]bool, at url.URL) {
	if port, err := strconv.Atoi(at.Port()); err == nil {
		all[port] = true
	}
}

// limitSilence bounds it for this process's TCP connections from or to some ports.
// A number that is closed and used again meanwhile is at worst another connection
// of etcd's, which does not suffer from it. Without /proc etcd is as it came.
func limitSilence(local, remote map[int]bool) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		there, err := unix.Getpeername(fd) // fails for all but connections
		if err != nil {
			continue
		}
		here, err := unix.Getsockname(fd)
		if err != nil || !local[portOf(here)] && !remote[portOf(there)] {
			continue
		}
		for option, value := range map[int]int{
			unix.TCP_USER_TIMEOUT: int(peerSilence.Milliseconds()),
			unix.TCP_KEEPIDLE:     int(probePeers.Seconds()),
			unix.TCP_KEEPINTVL:    int(probePeers.Seconds()),
		} {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option, value) // it may just have ended
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

// portOf is 0 for what is no internet address.
func portOf(address unix.Sockaddr) int {
	switch at := address.(type) {
	case *unix.SockaddrInet4:
		return at.Port
	case *unix.SockaddrInet6:
		return at.Port
	}
	return 0
}
