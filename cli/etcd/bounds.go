package etcd

import (
	"fmt"
	"io"
	"net"
	"net/netip"

	"go.etcd.io/etcd/pkg/v3/runtime"

	"argosy/edge/crowd"
)

const (
	// connectionsOfOne are those to a client port from one address: twice what the
	// relay of a machine may hold for all its programs.
	connectionsOfOne = 8192
	// connections are those to a client port where it is not known how many files
	// this process may have.
	connections = 49_152
)

// bounds leaves a quarter of this process's files to the members, to raft and to the
// store's own.
func bounds(faults io.Writer) func(net.Listener, func(netip.Addr) bool) net.Listener {
	all := connections
	if files, err := runtime.FDLimit(); err == nil {
		all = int(min(files/4*3, connections))
	}
	return func(l net.Listener, member func(netip.Addr) bool) net.Listener {
		full := func(from string) {
			fmt.Fprintf(faults, "etcd: too many connections: one from %s is closed, as others may be in the next minute\n", from)
		}
		return crowd.Bound{All: all, Each: connectionsOfOne, Known: member, Full: full}.Over(l)
	}
}
