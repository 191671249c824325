package agent

import (
	"sync"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
)

// self is what the machine says of itself, which may change while the agent
// runs. Several goroutines use it.
type self struct {
	mu      sync.Mutex
	machine cluster.Machine
	ttl     time.Duration
	rival   api.Identity // the machine that last claimed this one's id; zero for none
	claimed time.Time    // when it did
	changed chan struct{}
}

func newSelf(c Config) *self {
	return &self{machine: c.Machine, ttl: c.TTL, changed: make(chan struct{}, 1)}
}

// now returns the record as it should stand, without what the store adds.
func (s *self) now() (m cluster.Machine, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.machine
	m.TTLSeconds = int64(max(time.Second, s.ttl) / time.Second)
	if s.rival != (api.Identity{}) {
		m.Problem = s.rival.Describe() + " has this machine's id as well and is refused: give it another /etc/machine-id"
	}
	return m, s.ttl
}

// poke has the record compared with what it should be.
func (s *self) poke() {
	select {
	case s.changed <- struct{}{}:
	default: // it is about to be
	}
}

// Update changes what the machine says of itself. The store is told at once if
// it can be reached, and else when it can; no unit is touched.
func (a *Agent) Update(metadata map[string]string, capacity cluster.Capacity, ttl time.Duration) {
	s := a.self
	s.mu.Lock()
	s.machine.Metadata, s.machine.Capacity, s.ttl = metadata, capacity, ttl
	s.mu.Unlock()
	s.poke()
}

// Identity is who this machine is.
func (a *Agent) Identity() api.Identity {
	m := a.config.Machine
	return api.Identity{Machine: m.ID, BootID: m.BootID, Name: m.Name, Address: m.Address}
}

// Claimed tells this machine that another one asks for its id, and returns who
// this one is. Where they are two, this machine's record names the other until
// it has not asked for rivalKept.
func (a *Agent) Claimed(by api.Identity) api.Identity {
	own := a.Identity()
	if by.Machine != own.Machine || by.BootID == own.BootID {
		return own
	}
	s := a.self
	s.mu.Lock()
	news := s.rival != by
	s.rival, s.claimed = by, time.Now()
	s.mu.Unlock()
	if news {
		a.log.Warn("another machine has this machine's id; it is refused", "name", by.Name, "address", by.Address,
			"machine", own.Machine, "do", "give it another /etc/machine-id")
		s.poke()
	}
	return own
}

// forgetRival forgets one that has not asked for long, and says whether it did.
func (s *self) forgetRival() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rival == (api.Identity{}) || time.Since(s.claimed) < rivalKept {
		return false
	}
	s.rival = api.Identity{}
	return true
}
