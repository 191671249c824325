package etcdnode

import (
	"context"
	"maps"
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
	// lookEvery is how soon a new connection has both, for as long as connections
	// to peers come and go.
	lookEvery = time.Second
	// restless is how long they do after one has ended or the members have changed.
	restless = 30 * time.Second
	// lookAnyway is how many of lookEvery pass between two looks where nothing has
	// ended. A new connection that is cut off before it was found is cut off together
	// with those that are known, whose end is noticed.
	lookAnyway = 10
)

// watchPeers bounds the silence of each connection to a peer until ctx ends. etcd
// makes these connections itself and has no place for a dialer, so they are looked
// for among this process's own. Where ten thousand of them are clients' each look
// takes 36 ms; to ask whether one that is known still stands takes less than one
// microsecond.
func watchPeers(ctx context.Context, server *embed.Etcd) {
	local := ports(server.Config().ListenPeerUrls)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var known connections
	var remote map[int]bool
	for left, looks := restless, 0; ; looks++ {
		peers := peerPorts(server)
		if !maps.Equal(peers, remote) || !known.stand() {
			left = restless
		}
		if remote = peers; left > 0 || looks%lookAnyway == 0 {
			known = limitSilence(local, remote)
		}
		left -= lookEvery
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// peerPorts are those that the members listen on for one another.
func peerPorts(server *embed.Etcd) map[int]bool {
	all := map[int]bool{}
	for _, member := range server.Server.Cluster().Members() {
		for _, address := range member.PeerURLs {
			if at, err := url.Parse(address); err == nil {
				addPort(all, *at)
			}
		}
	}
	return all
}

// connections are the kernel's names of sockets, by their numbers in this process.
type connections map[int]uint64

// stand says whether none of them has ended.
func (c connections) stand() bool {
	for fd, name := range c {
		if now, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE); err != nil || now != name {
			return false
		}
	}
	return true
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

// limitSilence bounds it for this process's TCP connections from or to some ports,
// and returns them. A number that is closed and used again meanwhile is at worst
// another connection of etcd's, which does not suffer from it. Without /proc etcd is
// as it came.
func limitSilence(local, remote map[int]bool) connections {
	found := connections{}
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
		if name, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE); err == nil {
			found[fd] = name
		}
	}
	return found
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
