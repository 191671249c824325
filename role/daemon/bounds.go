package daemon

import (
	"net"
	"net/netip"
	"net/url"

	"argosy/edge/crowd"
)

const (
	// apiConnections are those to the API from other machines, members apart: one and
	// some of each of ten thousand, and a quarter of the files that fleet.service may have.
	apiConnections = 16_384
	// apiOfOne are those from one address: what a worker passes through, four times.
	apiOfOne = 1024
	// localConnections are those over one socket of this machine's.
	localConnections = 1024
)

// boundedHere bounds a listener for programs of this machine.
func boundedHere(l net.Listener) net.Listener {
	return crowd.Bound{All: localConnections, Each: localConnections}.Over(l)
}

// bounded bounds a listener for other machines.
func (p *parts) bounded(l net.Listener) net.Listener {
	return crowd.Bound{All: apiConnections, Each: apiOfOne, Known: p.isMember, Full: func(from string) {
		p.log.Warn("too many connections: closed", "from", from, "at", l.Addr().String(), "silent", crowd.Quiet)
	}}.Over(l)
}

// isMember says whether a member of the store is known to be there.
func (p *parts) isMember(at netip.Addr) bool { return (*p.near.Load())[at] }

// nearBy notes where the members are, as far as they are called by their addresses.
func (p *parts) nearBy(members []string) {
	all := map[netip.Addr]bool{}
	for _, member := range members {
		if at, err := url.Parse(member); err == nil {
			if address, err := netip.ParseAddr(at.Hostname()); err == nil {
				all[address.Unmap()] = true
			}
		}
	}
	p.near.Store(&all)
}
