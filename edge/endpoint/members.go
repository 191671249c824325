package endpoint

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// restTime is how long a member that could not be reached is asked last. It is
// shorter than a boot, and longer than a client takes to try again.
const restTime = 5 * time.Second

// members remembers whom to ask next.
type members struct {
	changed func(member string, err error)

	mutex sync.Mutex
	all   []member
	turn  int
}

type member struct {
	address string
	lost    bool      // changed was told so
	failed  time.Time // when it last did not answer; zero if it did since
}

func newMembers(addresses []string, changed func(string, error)) *members {
	m := &members{changed: changed}
	for _, address := range addresses {
		m.all = append(m.all, member{address: address})
	}
	return m
}

// follow takes up other members until ctx ends. Connections stay where they are.
func (m *members) follow(ctx context.Context, updates <-chan []string) {
	for {
		select {
		case addresses := <-updates:
			m.replace(addresses)
		case <-ctx.Done():
			return
		}
	}
}

// replace keeps what is known of those that stay. No members at all is no news.
func (m *members) replace(addresses []string) {
	if len(addresses) == 0 {
		return
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	before := m.all
	m.all = nil
	for _, address := range addresses {
		now := member{address: address}
		if i := slices.IndexFunc(before, func(a member) bool { return a.address == address }); i >= 0 {
			now = before[i]
		}
		m.all = append(m.all, now)
	}
}

// order lists all members in the order in which a new connection tries them: the
// one at an address of this machine's own, the others in turn, and last those that
// did not answer lately, the longest ago first.
func (m *members) order(now time.Time, own []*net.IPNet) []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.turn = (m.turn + 1) % len(m.all)
	turned := slices.Concat(m.all[m.turn:], m.all[:m.turn])
	rank := func(a member) int {
		switch {
		case now.Sub(a.failed) < restTime:
			return 2
		case isOwn(a.address, own):
			return 0
		default:
			return 1
		}
	}
	slices.SortStableFunc(turned, func(a, b member) int {
		if by := rank(a) - rank(b); by != 0 || rank(a) < 2 {
			return by
		}
		return a.failed.Compare(b.failed)
	})
	addresses := make([]string, len(turned))
	for i, member := range turned {
		addresses[i] = member.address
	}
	return addresses
}

// tried records how an attempt ended.
func (m *members) tried(address string, err error, now time.Time) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	i := slices.IndexFunc(m.all, func(a member) bool { return a.address == address })
	if i < 0 {
		return // it has been replaced meanwhile
	}
	known := &m.all[i]
	known.failed = time.Time{}
	if err != nil {
		known.failed = now
	}
	if lost := err != nil; lost != known.lost {
		known.lost = lost
		if m.changed != nil {
			m.changed(address, err)
		}
	}
}
