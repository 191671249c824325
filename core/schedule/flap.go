package schedule

import (
	"fmt"
	"slices"
	"time"

	"argosy/core/cluster"
)

// A machine that is lost again and again is given nothing new for a while: each
// unit that it took would have to move again. What is placed there when it comes
// back stays (law 6).
const (
	// flapMemory is how long a loss is remembered.
	flapMemory = time.Hour
	// flapFree is how many losses in that time cost nothing: a repair or an upgrade
	// takes a machine down twice.
	flapFree = 2
	// flapLeast is for how long a machine is given nothing after the first loss
	// that counts; it doubles with each further one, up to flapMost.
	flapLeast = time.Minute
	flapMost  = 30 * time.Minute
)

// conduct is when a machine was lost of late, and until when it is given nothing
// for that.
type conduct struct {
	losses []time.Time
	until  time.Time
}

// noteLoss remembers a loss. It outlives the machine's entry, and Forget.
func (p *Picture) noteLoss(m *machine) {
	c := p.conducts[m.id]
	if c == nil {
		c = &conduct{}
		p.conducts[m.id] = c
	}
	for len(c.losses) > 0 && p.now.Sub(c.losses[0]) >= flapMemory {
		c.losses = c.losses[1:]
	}
	c.losses = append(c.losses, p.now)
}

// meetReturns looks at machines that have come since the last look, and has those
// wait that were lost too often.
func (p *Picture) meetReturns() {
	for _, m := range p.returns {
		c := p.conducts[m.id]
		if c == nil || !m.live() {
			continue
		}
		last := c.losses[len(c.losses)-1]
		if p.now.Sub(last) >= flapMemory {
			delete(p.conducts, m.id)
			continue
		}
		if over := len(c.losses) - flapFree; over > 0 {
			c.until = p.now.Add(min(flapLeast<<min(over-1, 10), flapMost))
			p.shunned[m] = c
			p.wakeAll(m, c.until)
		}
	}
	p.returns = p.returns[:0]
	for m, c := range p.shunned {
		if !p.now.Before(c.until) || !m.live() {
			delete(p.shunned, m)
		}
	}
}

// shun takes out of a set the machines that are given nothing new.
func (p *Picture) shun(set bitset) {
	for m := range p.shunned {
		set.clear(m.number)
	}
}

// flapping says why a machine is given nothing new, or nothing.
func (p *Picture) flapping(m *machine) string {
	c := p.shunned[m]
	if c == nil {
		return ""
	}
	return fmt.Sprintf("was lost %d times in an hour and is given nothing new until %s", len(c.losses), clock(c.until))
}

// unsteady says of the machines left which are given nothing new.
func (r *remainder) unsteady() {
	if len(r.p.shunned) == 0 {
		return
	}
	steady := slices.Clone(r.machines)
	r.p.shun(steady)
	r.keep(steady, "was lost too often of late", "were lost too often of late")
}

// conducts are kept by id, since the entries of machines come and go.
type conducts map[cluster.MachineID]*conduct
