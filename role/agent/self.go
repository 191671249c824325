package agent

import (
	"sync"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/role/runtime"
)

// self is what the machine says of itself, which may change while the agent
// runs. Several goroutines use it.
type self struct {
	on   runtime.Runtime
	bell runtime.Bell // of the task that keeps the record

	mu      sync.Mutex
	machine cluster.Machine
	ttl     time.Duration
	rival   api.Identity // the machine that last claimed this one's id; zero for none
	claimed time.Time    // when it did
	note    string       // on what happened here; empty for nothing
	noted   time.Time
	changed bool // since the record was last compared with it
}

func newSelf(c Config, on runtime.Runtime, bell runtime.Bell) *self {
	return &self{on: on, bell: bell, machine: c.Machine, ttl: c.TTL}
}

// now returns the record as it should stand, without what the store adds.
func (s *self) now() (m cluster.Machine, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.machine
	m.TTLSeconds = int64(max(time.Second, s.ttl) / time.Second)
	switch {
	case m.Note == "":
		m.Note = s.note
	case s.note != "":
		m.Note += "; " + s.note
	}
	if s.rival != (api.Identity{}) {
		m.Note = s.rival.Describe() + " has this machine's id as well and is refused: give it another /etc/machine-id"
	}
	return m, s.ttl
}

// poke has the record compared with what it should be.
func (s *self) poke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = true
	s.bell.Ring()
}

// poked says whether the record is to be compared, once.
func (s *self) poked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.changed
	s.changed = false
	return changed
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
	if a.self.meet(by) {
		a.log.Warn("another machine has this machine's id; it is refused", "name", by.Name, "address", by.Address,
			"machine", own.Machine, "do", "give it another /etc/machine-id")
		a.self.poke()
	}
	return own
}

// meet notes a rival, and says whether it is news. Of several the first is told
// of until it is gone, so that they cost no more than one.
func (s *self) meet(by api.Identity) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news = s.rival == (api.Identity{})
	if news || s.rival == by {
		s.rival, s.claimed = by, s.on.Now()
	}
	return news
}

// tell has the record carry a note for noteKept.
func (s *self) tell(note string) {
	s.mu.Lock()
	s.note, s.noted = note, s.on.Now()
	s.mu.Unlock()
	s.poke()
}

// forget drops what the record need not say any more: a rival that has not asked
// for long, an old note. It says whether there was any.
func (s *self) forget() (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.on.Now()
	if s.rival != (api.Identity{}) && now.Sub(s.claimed) >= rivalKept {
		s.rival, news = api.Identity{}, true
	}
	if s.note != "" && now.Sub(s.noted) >= noteKept {
		s.note, news = "", true
	}
	return news
}
