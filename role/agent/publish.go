package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// How soon what systemd says is published.
const (
	// burst is the time in which changes are written together. The first
	// change after a quiet time is written at once.
	burst = 25 * time.Millisecond
	// lull is for what is only under way: most jobs end sooner, and then their
	// end is the one thing written.
	lull = 100 * time.Millisecond
	// A unit that restarts for ever is published no oftener than calm times in
	// a calmTime.
	calm, calmTime = 10, 10 * time.Second
	// storeRetry is for a store that did not take the states.
	storeRetry = time.Second
)

// board is what the cluster was told of this machine's units.
type board struct {
	lease     int64 // what states are bound to; 0 while there is none
	published map[cluster.UnitName]cluster.UnitState
	looked    map[cluster.UnitName]bool // to be compared with what was published
	waiting   map[cluster.UnitName]news
	paces     map[cluster.UnitName]pace
	announced map[cluster.UnitName]announcement // units that wait for a state of theirs to be written
	busy      bool                              // a write is under way
	last      time.Time                         // when it began
	next      time.Time                         // when to write; zero where nothing waits
	doubted   time.Time                         // when a write was last not answered; see doubt.go
	checked   time.Time                         // when the store was last asked what it holds
}

// news is a state that is to be written, or that a unit has none any more.
type news struct {
	state cluster.UnitState
	gone  bool
}

// pace is how often a unit was published since a time.
type pace struct {
	since time.Time
	count int
}

// publication is a write of states and how it ended.
type publication struct {
	lease   int64
	changed []cluster.UnitState
	gone    []cluster.UnitName
	err     error
}

func newBoard() board {
	b := board{paces: map[cluster.UnitName]pace{}, announced: map[cluster.UnitName]announcement{}, looked: map[cluster.UnitName]bool{}}
	b.renew(0, nil)
	return b
}

// renew begins with a lease and what was published under it.
func (b *board) renew(lease int64, states []cluster.UnitState) {
	b.lease = lease
	b.published = map[cluster.UnitName]cluster.UnitState{}
	b.waiting = map[cluster.UnitName]news{}
	b.next = time.Time{}
	for _, state := range states {
		state.Revision = 0
		b.published[state.Unit] = state
		b.look(state.Unit)
	}
}

// look has a unit's state compared with what was published of it.
func (b *board) look(name cluster.UnitName) { b.looked[name] = true }

// soon has a write begin no later than at a time.
func (b *board) soon(at time.Time) {
	if b.next.IsZero() || at.Before(b.next) {
		b.next = at
	}
}

// publish compares what was looked at and writes what is due. Nothing is
// before all is known: a restarted agent would take back what still holds.
func (d *desk) publish(ctx context.Context) {
	b := &d.board
	if !d.mayPublish() {
		return
	}
	now := d.on.Now()
	for name := range b.looked {
		d.compare(name, now)
	}
	clear(b.looked)
	b.confirm()
	if b.busy || b.next.IsZero() || b.next.After(now) {
		return
	}
	b.next = time.Time{}
	p := b.take(now)
	if len(p.changed)+len(p.gone) == 0 {
		return
	}
	b.busy, b.last = true, now
	d.tasks.Go(func() {
		p.err = d.store.PutStates(ctx, p.lease, d.config.Machine.ID, p.changed, p.gone)
		_ = d.mail.Send(ctx, p) // ends with ctx
	})
}

func (d *desk) mayPublish() bool {
	return d.systemdRead && (d.placementsRead || d.departure != nil) && d.board.lease != 0
}

// publishDue is when publish has something to do; zero where it must learn first.
func (d *desk) publishDue() time.Time {
	if d.board.busy || !d.mayPublish() {
		return time.Time{}
	}
	return d.board.next
}

// compare has a unit's state wait to be written where it is news.
func (d *desk) compare(name cluster.UnitName, now time.Time) {
	b := &d.board
	was, published := b.published[name]
	n := news{gone: true}
	if e, there := d.units[name]; there {
		// While steps are under way it may be started, though nothing tells of it yet.
		if u := d.unit(name, e); u.Ours() || e.interrupt != nil {
			n = news{state: converge.State(d.config.Machine.ID, u, d.working(name, e), e.problem)}
		}
	}
	if n.gone && !published || !n.gone && published && n.state == was {
		delete(b.waiting, name)
		return
	}
	b.waiting[name] = n
	at := b.last.Add(burst)
	if n.state.Phase == cluster.Working && b.announced[name].told == nil {
		at = now.Add(lull)
	}
	b.soon(latest(at, b.paces[name].free(now)))
}

// take is what waits and is due, as one write.
func (b *board) take(now time.Time) publication {
	p := publication{lease: b.lease}
	for _, name := range slices.Sorted(maps.Keys(b.waiting)) {
		n, pace := b.waiting[name], b.paces[name]
		if at := pace.free(now); at.After(now) {
			b.soon(at)
			continue
		}
		delete(b.waiting, name)
		if n.gone {
			delete(b.paces, name)
			p.gone = append(p.gone, name)
			continue
		}
		b.paces[name] = pace.counted(now)
		p.changed = append(p.changed, n.state)
	}
	return p
}

// free is when the unit may be published again.
func (p pace) free(now time.Time) time.Time {
	if p.count < calm || now.Sub(p.since) >= calmTime {
		return now
	}
	return p.since.Add(calmTime)
}

func (p pace) counted(now time.Time) pace {
	if now.Sub(p.since) >= calmTime {
		return pace{since: now, count: 1}
	}
	return pace{since: p.since, count: p.count + 1}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// learn notes what was written. What was not is looked at again.
func (p publication) learn(d *desk) {
	b := &d.board
	b.busy = false
	if p.err == nil {
		d.health.contact(d.on.Now())
	}
	if p.lease != b.lease {
		return // all is published anew under the next lease
	}
	if p.err != nil {
		d.log.Warn("states were not published", "error", p.err)
		b.doubt(d.on.Now())
		if errors.Is(p.err, cluster.ErrLeaseGone) {
			d.presence.bell.Ring() // which has the lease looked at now
		}
	}
	for _, state := range p.changed {
		if p.err == nil {
			b.published[state.Unit] = state
		}
		b.look(state.Unit)
	}
	for _, name := range p.gone {
		if p.err == nil {
			delete(b.published, name)
		}
		b.look(name)
	}
	if p.err != nil {
		b.last = d.on.Now().Add(storeRetry - burst) // the next write waits
	}
	if len(b.waiting) > 0 {
		b.soon(b.last.Add(burst))
	}
}

// learn begins anew under a lease, or has nothing published without one.
func (r registration) learn(d *desk) {
	if r.refused || r.lease != 0 {
		d.admitted = !r.refused
	}
	if r.returned {
		d.reunited.begin(r.away, d.on.Now())
		d.schedule(d.reunited.returned.Add(reunion))
	}
	d.board.renew(r.lease, r.states)
	d.board.doubt(d.on.Now()) // a life of fleetd before, also one that has left, may have been in the middle of a write
	for name := range d.units {
		d.mark(name)
	}
}
