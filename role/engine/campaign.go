package engine

import (
	"math"
	"time"

	"argosy/core/cluster"
)

const (
	// grace is how long a leader's machine that was never seen is waited for: at
	// the cold start of a whole cluster machines register within a second or two
	// of one another, and the lead need not change hands twice meanwhile.
	grace = 3 * time.Second
	// settle is how long, after all machines were gone and this one is back, the
	// others are waited for where units are placed already: what took their
	// records away was a store out of reach for longer than a lease, or a power
	// cut, and agents that ask about every three seconds need this long to return.
	settle = 5 * time.Second

	forever = time.Duration(math.MaxInt64)
)

// campaign is what an engine knows of the lead, for deciding whether to take it
// and whether to use it. It is told the time.
type campaign struct {
	self cluster.MachineID
	run  string

	leader   cluster.Leader // Revision is 0 where nobody leads
	unsure   bool           // leader is out of date, and news of it are on their way
	machines map[cluster.MachineID]bool
	placed   bool // some unit has a machine
	// condemned says that the leader's machine is lost, by its probers' word, though
	// its record stands, and that this one is not.
	condemned bool
	emptied   bool // no machine was there at all, and this one is not back since

	seen     bool      // the leader's machine has been there in its time as leader
	absent   time.Time // since when it is known not to be there; zero while it is
	returned time.Time // when this machine last came back after that; zero if it never did
}

// learn takes a batch in.
func (c *campaign) learn(batch cluster.Batch, now time.Time) {
	leader := c.leader
	if batch.Reset {
		c.machines, c.placed, leader = map[cluster.MachineID]bool{}, false, cluster.Leader{}
	}
	told := batch.Reset
	for _, event := range batch.Events {
		switch e := event.(type) {
		case cluster.MachineChanged:
			c.machines[e.Machine.ID] = true
		case cluster.MachineGone:
			delete(c.machines, e.ID)
		case cluster.PlacementChanged:
			c.placed = true
		case cluster.LeaderChanged:
			leader, told = e.Leader, true
		case cluster.LeaderGone:
			leader, told = cluster.Leader{}, true
		}
	}
	if told && batch.Revision >= c.leader.Revision { // else a term that TakeLead returned is newer
		c.lead(leader)
	}
	switch {
	case c.machines[c.leader.Machine]:
		c.seen, c.absent = true, time.Time{}
	case c.absent.IsZero():
		c.absent = now
	}
	if len(c.machines) == 0 {
		c.emptied = true
	}
	if c.emptied && c.machines[c.self] {
		c.emptied = false
		if c.placed {
			c.returned = now
		}
	}
}

// lead notes who leads now.
func (c *campaign) lead(l cluster.Leader) {
	if l.Machine != c.leader.Machine {
		c.seen, c.absent, c.condemned = c.machines[l.Machine], time.Time{}, false
	}
	c.leader, c.unsure = l, false
}

// reason says why this engine should take the lead now. It is empty when it
// should not: then patience says when to ask again, if nothing changes before.
//
// Only an engine whose own machine is registered takes the lead from another:
// where all records are gone, it is the way to the store that was lost and not
// the machines, and engines would depose one another for ever.
func (c *campaign) reason(now time.Time) (reason string, patience time.Duration) {
	switch l := c.leader; {
	case c.unsure:
		return "", forever
	case l.Revision == 0:
		return "nobody leads", 0
	case l.Run == c.run:
		return "its own last term has ended", 0
	case l.Machine == c.self:
		return "an earlier run on this machine led", 0
	case c.condemned && c.machines[c.self]:
		return "the leader's machine does not answer its probers", 0
	case c.machines[l.Machine], !c.machines[c.self]:
		return "", forever
	case c.seen:
		return "the leader's machine is lost", 0
	}
	if patience = c.absent.Add(grace).Sub(now); patience > 0 {
		return "", patience
	}
	return "the leader's machine has not come back", 0
}

// hold says for how long a leader must not plan. While its own machine's record
// is gone, what it knows of the others is worth nothing: to plan on it would
// take every unit off every machine.
func (c *campaign) hold(now time.Time) time.Duration {
	if !c.machines[c.self] {
		return forever
	}
	if c.returned.IsZero() {
		return 0
	}
	return c.returned.Add(settle).Sub(now)
}
