package schedule

import (
	"fmt"
	"slices"
	"time"
)

// Machines are lost one by one; when many vanish at once it is more often the
// leader's own network, a store out of reach for longer than a lease, or a fault
// of the detector, than so many machines. A storm is such a time: what is placed
// on machines that vanished in it stays there for now. Nothing is stopped, and
// new units are placed.
const (
	// stormWindow is what counts as at once: leases of one cut end within a third
	// of their time of one another (3 s), and agents that have lost the store come
	// and go for some seconds more.
	stormWindow = 30 * time.Second
	// stormLeast is how many machines are believed lost at once in any cluster. Of
	// three members two cannot be lost without the store; of five they can.
	stormLeast = 2
	// stormPercent is how many of a hundred are believed: one zone of three, which
	// Spread= guards against, and some more. One half of two is as likely a cut.
	stormPercent = 40
	// stormFew is from how many of a hundred on it is waited for what else may be
	// vanishing, before anything moves: losses become known one after another.
	stormFew = 5
	// stormQuiet is how long no other machine must vanish then: longer than leases
	// of one cut are apart.
	stormQuiet = 4 * time.Second
	// stormGather bounds that waiting.
	stormGather = 12 * time.Second
	// stormSettle is how long no machine must have come back before the rest are
	// believed lost: agents that lost the store ask about every three seconds.
	stormSettle = 10 * time.Second
	// stormMost is when an unbelievable loss is believed after all.
	stormMost = 5 * time.Minute
	// stormTold is when it is written down for each unit: what is over sooner is
	// not worth two writes a unit, least of all then.
	stormTold = 30 * time.Second
)

// storm is what vanished of late.
type storm struct {
	missing []*machine // that are gone, not older than the window; in a hold all since it began
	state   stormState
	since   time.Time // when gathering or holding began
	last    time.Time // when a machine vanished last
	back    time.Time // when one came back last, in a hold
	calm    time.Time // when what gathers or holds ends if nothing happens
	told    bool
	lost    int // of whole, at the last look
	whole   int
}

type stormState uint8

const (
	calm      stormState = iota
	gathering            // more may be vanishing
	halted               // more have vanished than is believable
)

func (st *storm) lose(m *machine, now time.Time) {
	st.missing = append(st.missing, m)
	st.last = now
	m.missing = true
}

// holds says whether what is placed on a machine stays because of the storm.
func (st *storm) holds(m *machine) bool { return st.state != calm && m.missing }

// delay is the storm in words.
func (st *storm) delay(m *machine) *delay {
	if st.state == gathering {
		return &delay{fmt.Sprintf("%s was lost, and so were others; it is waited for what else is lost", m.title()), st.calm, false}
	}
	return &delay{fmt.Sprintf("%s was lost; %s", m.title(), st.words()), st.since.Add(stormMost), st.told}
}

// words say what is unbelievable.
func (st *storm) words() string {
	return fmt.Sprintf("more machines vanished at once than is believable, and their units stay until enough are back, or until %s",
		clock(st.since.Add(stormMost)))
}

// end is when the storm must be weighed again though nothing happens.
func (st *storm) end() time.Time {
	if st.state == halted && !st.told {
		return earlier(st.calm, st.since.Add(stormTold))
	}
	return st.calm
}

// weigh decides whether there is a storm.
func (p *Picture) weigh() {
	st := &p.storm
	if len(st.missing) == 0 && st.state == calm {
		return
	}
	p.recount()
	unbelievable := st.lost > stormLeast && st.lost*100 > st.whole*stormPercent
	few := st.lost <= max(stormLeast, st.whole*stormFew/100)
	switch {
	case st.state == halted && !p.now.Before(st.since.Add(stormMost)):
		p.clearUp(true)
	case st.state == halted && unbelievable:
		st.calm = st.since.Add(stormMost)
	case st.state == halted:
		st.calm = earlier(st.back.Add(stormSettle), st.since.Add(stormMost))
		if !p.now.Before(st.calm) {
			p.clearUp(true)
		}
	case unbelievable:
		st.state, st.since, st.back, st.told = halted, p.now, p.now, false
		st.calm = p.now.Add(stormMost)
	case few:
		p.clearUp(false)
	default:
		if st.state == calm {
			st.since = p.now
		}
		st.calm = earlier(st.last.Add(stormQuiet), st.since.Add(stormGather))
		if p.now.Before(st.calm) {
			st.state = gathering
		} else {
			p.clearUp(false)
		}
	}
	if st.state == halted && !st.told && !p.now.Before(st.since.Add(stormTold)) {
		st.told = true
		p.touchMissing()
	}
}

// recount looks which of the missing machines still are: one that is back or
// answers is not lost.
func (p *Picture) recount() {
	st := &p.storm
	before := len(st.missing)
	st.missing = slices.DeleteFunc(st.missing, func(m *machine) bool {
		old := st.state != halted && p.now.Sub(m.gone) >= stormWindow
		if m.live() || old {
			m.missing = false
			if old && st.state == gathering {
				p.machineTouched(m)
			}
		}
		return !m.missing
	})
	if len(st.missing) < before {
		st.back = p.now
	}
	st.lost = 0
	for _, m := range st.missing {
		if !p.answering[m.id] {
			st.lost++
		}
	}
	st.whole = st.lost + p.machines.lives
}

// clearUp ends a storm: what stayed may move. Those believed lost count no more.
func (p *Picture) clearUp(believed bool) {
	st := &p.storm
	was := st.state
	st.state, st.calm = calm, time.Time{}
	if was != calm {
		p.touchMissing()
	}
	if believed {
		for _, m := range st.missing {
			m.missing = false
		}
		st.missing = nil
	}
}

func (p *Picture) touchMissing() {
	for _, m := range p.storm.missing {
		p.machineTouched(m)
	}
}

// Held says in one sentence that failover is held because more machines vanished
// at once than is believable; empty where it is not.
func (p *Picture) Held() string {
	if st := &p.storm; st.state == halted {
		return fmt.Sprintf("%d of %d machines vanished: %s", st.lost, st.whole, st.words())
	}
	return ""
}
