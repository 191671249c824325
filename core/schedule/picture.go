package schedule

import (
	"time"

	"argosy/core/cluster"
)

// Picture is what a leader knows of the cluster, indexed for deciding. It is not
// safe for use by several goroutines at once.
//
// The contract with its owner:
//
//   - Learn is told what one follower of the store delivers, in the store's
//     order, a batch at a time; Forget comes before the events of a Reset batch.
//     A fact that is known already, or older than what is known, changes nothing.
//   - The owner plans only once it has learned everything up to its own term's
//     revision, so that no earlier leader's write is still to come.
//   - What Plan hands out is pending: it counts as done where that is the more
//     careful reading, and its unit is left alone until the store's news of the
//     change is learned, or news that breaks one of the change's guards, or
//     until Retry. A placement's own news is told by its At from what somebody
//     else may write in the same place. What a commit has written may be learned
//     at once, before the follower brings it, and need not be.
//   - Retry is for changes that are surely not written: those that lost a guard.
//     After a commit whose outcome is unknown, begin a new term and Forget.
type Picture struct {
	units     map[cluster.UnitName]*unit
	byName    ordered
	machines  machines
	patterns  patterns
	contents  map[cluster.Hash]*content
	awaiting  map[cluster.Hash]map[*unit]bool     // units whose text is not known yet
	followers map[cluster.UnitName]map[*unit]bool // units by the peers that their MachineOf= names
	globals   map[*unit]bool
	waiting   map[*unit]bool // units to be tried again when machines change
	stuck     map[*unit]bool // those of them that hang on where others could go: tried again with any news
	news      bool           // something was learned since the last Plan
	holds     map[*unit]*hold
	families  map[cluster.UnitName]*family
	cramped   map[*unit]bool // units whose new text will fit where they are once others have left

	now         time.Time                  // that Observe was told last
	answering   map[cluster.MachineID]bool // machines whose kernels answer, see Judge
	departed    map[cluster.MachineID]bool // machines that have left on purpose
	losses      []*machine                 // found gone since the last Observe
	returns     []*machine                 // come since then
	failed      []spot                     // failed since then
	failures    map[spot]*failure
	strays      map[cluster.UnitName]map[cluster.MachineID]*stray
	silenced    []spot    // strays that something has become of since the last Observe
	straysUntil []spot    // those that the fence ends
	since       time.Time // when something was observed first after Forget
	conducts    conducts
	shunned     map[*machine]*conduct // machines that are given nothing new
	storm       storm
	alarms      alarms
	placed      int // placements in all
	allowance   allowance
	late        queue // units that may fail over when the allowance is filled again
	// rehearsing says that what is planned only foretells: no limit is kept.
	rehearsing bool

	lines       map[string]*line // waiting units by the room that they wait for
	openedLines []*line          // those with members to try, by key

	due     queue
	plan    plan   // of the Plan that is under way
	scratch bitset // the candidates of the unit that is being placed
	sparse  bitset // scratch of sparsest
	leastOf leastOf
}

// New returns a picture in which nothing is known.
func New() *Picture {
	p := &Picture{answering: map[cluster.MachineID]bool{}, conducts: conducts{}}
	p.Forget()
	return p
}

// Forget drops all facts, before a batch that brings the whole picture anew.
func (p *Picture) Forget() {
	*p = Picture{
		answering: p.answering, conducts: p.conducts, allowance: p.allowance, now: p.now, rehearsing: p.rehearsing,
		departed: map[cluster.MachineID]bool{}, failures: map[spot]*failure{}, strays: map[cluster.UnitName]map[cluster.MachineID]*stray{}, shunned: map[*machine]*conduct{}, late: queue{late: true},
		units:     map[cluster.UnitName]*unit{},
		machines:  newMachines(),
		patterns:  newPatterns(),
		contents:  map[cluster.Hash]*content{},
		awaiting:  map[cluster.Hash]map[*unit]bool{},
		followers: map[cluster.UnitName]map[*unit]bool{},
		globals:   map[*unit]bool{},
		waiting:   map[*unit]bool{},
		stuck:     map[*unit]bool{},
		holds:     map[*unit]*hold{},
		families:  map[cluster.UnitName]*family{},
		cramped:   map[*unit]bool{},
		lines:     map[string]*line{},
	}
}

// unit returns the entry of a unit, made where it is not known yet.
func (p *Picture) unit(name cluster.UnitName) *unit {
	if u := p.units[name]; u != nil {
		return u
	}
	u := &unit{name: name, template: name.IsTemplate(), avoided: p.patterns.meaning(name)}
	u.slots = u.only[:0]
	p.joinFamily(u)
	p.units[name] = u
	p.byName.insert(u)
	return u
}

// drop forgets a unit of which nothing is left.
func (p *Picture) drop(u *unit) {
	p.setNeeds(u, nil)
	p.unawait(u)
	delete(p.cramped, u)
	delete(p.units, u.name)
	p.byName.remove(u)
}

// machine returns the entry of a machine, made where it is not known yet.
func (p *Picture) machine(id cluster.MachineID) *machine {
	if m := p.machines.byID[id]; m != nil {
		return m
	}
	return p.machines.add(id)
}

// setNeeds exchanges what a unit asks for, and the indexes with it.
func (p *Picture) setNeeds(u *unit, n *needs) {
	p.unwait(u)
	if u.needs != nil {
		p.uncarry(u)
		for _, peer := range u.needs.MachineOf {
			p.followers[peer] = outside(p.followers[peer], u)
			if p.followers[peer] == nil {
				delete(p.followers, peer)
			}
		}
		delete(p.globals, u)
		p.unprepare(u)
	}
	u.needs = n
	if n == nil {
		return
	}
	p.prepare(u)
	p.carry(u)
	for _, peer := range n.MachineOf {
		p.followers[peer] = with(p.followers[peer], u)
	}
	if n.Global {
		p.globals[u] = true
	}
}

// with and outside add to and take from a set of units that is nil when empty.
func with(set map[*unit]bool, u *unit) map[*unit]bool {
	if set == nil {
		set = map[*unit]bool{}
	}
	set[u] = true
	return set
}

func outside(set map[*unit]bool, u *unit) map[*unit]bool {
	delete(set, u)
	if len(set) == 0 {
		return nil
	}
	return set
}

// addSlot puts a unit on a machine in all indexes.
func (p *Picture) addSlot(u *unit, m *machine) *slot {
	s := &slot{unit: u, machine: m, index: int32(len(m.slots))}
	at, _ := u.find(m)
	u.slots = append(u.slots, nil)
	copy(u.slots[at+1:], u.slots[at:])
	u.slots[at] = s
	p.placed++
	if m.live() {
		p.machines.levels.leave(m)
	}
	m.slots = append(m.slots, s)
	if m.live() {
		p.machines.levels.enter(m)
	}
	for _, pat := range u.avoids {
		p.count(&pat.carried, m)
	}
	for _, pat := range u.avoided {
		p.count(&pat.meant, m)
	}
	p.occupy(u, m)
	if u.family != nil {
		p.countInstance(u.family, m)
	}
	return s
}

// removeSlot takes a unit off a machine in all indexes; what waited for that is
// looked at again.
func (p *Picture) removeSlot(s *slot) {
	p.takeSlot(s)
	p.freed(s)
}

// freed has Plan look at what a placement that has ended kept away.
func (p *Picture) freed(s *slot) {
	for _, pat := range s.unit.avoids {
		p.touchAll(pat.waitingMeant)
	}
	for _, pat := range s.unit.avoided {
		p.touchAll(pat.waitingHolders)
	}
	if s.unit.needs != nil && len(s.unit.needs.room) > 0 {
		p.openLines(s.machine)
	}
	if s.unit.family != nil {
		for _, l := range s.unit.family.lines {
			p.openLine(l, s.machine)
		}
	}
}

// takeSlot takes a unit off a machine in all indexes, and nothing else.
func (p *Picture) takeSlot(s *slot) {
	u, m := s.unit, s.machine
	p.placed--
	at, _ := u.find(m)
	copy(u.slots[at:], u.slots[at+1:])
	u.slots[len(u.slots)-1] = nil
	u.slots = u.slots[:len(u.slots)-1]
	if m.live() {
		p.machines.levels.leave(m)
	}
	last := len(m.slots) - 1
	m.slots[s.index] = m.slots[last]
	m.slots[s.index].index = s.index
	m.slots[last] = nil
	m.slots = m.slots[:last]
	if m.live() {
		p.machines.levels.enter(m)
	}
	for _, pat := range u.avoids {
		pat.carried.drop(m)
	}
	for _, pat := range u.avoided {
		pat.meant.drop(m)
	}
	p.giveBack(u, m)
	if u.family != nil {
		u.family.drop(m)
	}
}

// touch has Plan look at a unit.
func (p *Picture) touch(u *unit) { p.due.add(u) }

func (p *Picture) touchAll(units map[*unit]bool) {
	for u := range units {
		p.touch(u)
	}
}

// touchFollowers has Plan look at the units that must share this one's machine.
func (p *Picture) touchFollowers(u *unit) { p.touchAll(p.followers[u.name]) }

// wait remembers a unit that could not be placed, so that it is tried again when
// a machine changes, or when a placement ends that kept it away.
func (p *Picture) wait(u *unit) {
	if u.waiting {
		return
	}
	u.waiting = true
	p.waiting[u] = true
	if len(u.needs.Replaces) > 0 {
		p.stuck[u] = true
	}
	for _, pat := range u.avoids {
		pat.waitingHolders = with(pat.waitingHolders, u)
	}
	for _, pat := range u.avoided {
		pat.waitingMeant = with(pat.waitingMeant, u)
	}
	p.stand(u)
}

func (p *Picture) unwait(u *unit) {
	if !u.waiting {
		return
	}
	u.waiting = false
	delete(p.waiting, u)
	delete(p.stuck, u)
	p.unstand(u)
	for _, pat := range u.avoids {
		pat.waitingHolders = outside(pat.waitingHolders, u)
	}
	for _, pat := range u.avoided {
		pat.waitingMeant = outside(pat.waitingMeant, u)
	}
}
