package schedule

import "time"

// Failover is limited, so that the machines that are left are not asked to start
// more at once than they can, and so that an error moves little before it is seen.
// A unit that is placed for the first time, or that an operator moves, is not.
const (
	// leastBurst and burstMachines are how many units move at once, the more of
	// this number and what so many average machines have: one lost machine is
	// never slowed down, be it one of three with a thousand units each.
	leastBurst    = 1000
	burstMachines = 2
	// startRate is how many a second each machine that is up is given beyond that:
	// systemd starts some 150 a second on a machine that does nothing else, and
	// these have their own units to run.
	startRate = 10
	// leastRate keeps small clusters going.
	leastRate = 100
	// breath is how long Plan waits to go on with those that were over the limit:
	// so long that many go together.
	breath = 100 * time.Millisecond
)

// allowance is how many units may move now.
type allowance struct {
	units  float64
	filled time.Time // when it was last filled up; zero before the first time
}

// allow fills the allowance up, and has as many of those looked at again that were
// over it, the first by priority.
func (p *Picture) allow() {
	a, lives := &p.allowance, max(p.machines.lives, 1)
	burst := float64(max(leastBurst, burstMachines*p.placed/lives))
	if a.filled.IsZero() {
		a.units = burst
	} else {
		a.units = min(burst, a.units+p.now.Sub(a.filled).Seconds()*float64(max(leastRate, startRate*lives)))
	}
	a.filled = p.now
	for range int(a.units) {
		u := p.late.take()
		if u == nil {
			break
		}
		p.touch(u)
	}
}

// mayMove says whether a unit may fail over now, and else has it wait its turn.
func (p *Picture) mayMove(u *unit) bool {
	switch a := &p.allowance; {
	case p.rehearsing:
	case a.units < 1:
		p.late.add(u)
		return false
	default:
		a.units--
	}
	return true
}
