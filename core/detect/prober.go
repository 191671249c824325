package detect

import (
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
)

// Prober is what one machine knows of those that it probes. It is told of answers
// and of the time, and says whom to send an echo and what to tell the cluster.
type Prober struct {
	targets []cluster.Target
	lines   map[string]*line // by address: targets, and those that probe them too
	order   []string         // their addresses
	next    time.Duration    // when it asked to be called; 0 where it did not
}

// line is one address that is probed.
type line struct {
	since    time.Duration // the last answer, or when the waiting for one began
	answered time.Duration // the last answer
	ever     bool          // there was one
	sent     time.Duration
	begun    bool            // something was sent
	fresh    []time.Duration // echoes since, that have time to be answered still
	overdue  int             // echoes since, that have not
	silent   bool            // the verdict, until there is an answer
}

// Word is what a prober tells of a target.
type Word struct {
	Target cluster.MachineID
	Silent bool // else it answers
	Since  time.Duration
	Never  bool // silent, and it has not answered this prober once
	// Reaches is which of the target's other probers answered meanwhile, in order.
	Reaches []cluster.MachineID
}

// NewProber returns a prober that probes nobody yet.
func NewProber() *Prober { return &Prober{lines: map[string]*line{}} }

// Assign says whom to probe from now on. What is known of who stays is kept.
func (p *Prober) Assign(targets []cluster.Target, now time.Duration) {
	p.targets = targets
	wanted := map[string]bool{}
	for _, target := range targets {
		wanted[target.Address] = true
		for _, other := range target.Others {
			wanted[other.Address] = true
		}
	}
	maps.DeleteFunc(p.lines, func(address string, _ *line) bool { return !wanted[address] })
	for address := range wanted {
		if p.lines[address] == nil {
			p.lines[address] = &line{since: now}
		}
	}
	p.order = slices.Sorted(maps.Keys(p.lines))
}

// Answered takes an answer in.
func (p *Prober) Answered(address string, now time.Duration) {
	if l := p.lines[address]; l != nil {
		*l = line{since: now, answered: now, ever: true, sent: l.sent, begun: l.begun, fresh: l.fresh[:0]}
	}
}

// Tick says whom to send an echo now, in order, and how long to wait for the next
// call: 0 where it has nobody to probe, until it has. Answers that have come are to be
// told first.
func (p *Prober) Tick(now time.Duration) (send []string, wait time.Duration) {
	if len(p.order) == 0 {
		p.next = 0
		return nil, 0
	}
	late := now - p.next
	paused := p.next != 0 && late > stalled
	next := now + leisure
	for _, address := range p.order {
		l := p.lines[address]
		if paused && !l.silent {
			l.since, l.fresh = min(now, l.since+late), l.fresh[:0]
		}
		l.age(now)
		if l.due(now) {
			send = append(send, address)
			l.sent, l.begun = now, true
			l.fresh = append(l.fresh, now)
		}
		l.decide(now)
		next = min(next, l.wake())
	}
	p.next = next
	return send, next - now
}

// age counts the echoes that have had their time.
func (l *line) age(now time.Duration) {
	for len(l.fresh) > 0 && now-l.fresh[0] >= answerTime {
		l.fresh = slices.Delete(l.fresh, 0, 1)
		l.overdue++
	}
}

// pace is the time between two echoes.
func (l *line) pace() time.Duration {
	if l.overdue > 0 && l.sent-l.since < hasteEnds {
		return haste
	}
	return leisure
}

// due says whether it is time for an echo. Those that are nearly due go together,
// so that a machine with several targets wakes up once.
func (l *line) due(now time.Duration) bool {
	return !l.begun || now-l.sent >= l.pace()-haste/4
}

// wake is when there is something to do.
func (l *line) wake() time.Duration {
	at := l.sent + l.pace()
	if l.overdue == 0 && len(l.fresh) > 0 {
		at = min(at, l.fresh[0]+answerTime)
	}
	return at
}

func (l *line) decide(now time.Duration) {
	patience := Silence
	if !l.ever {
		patience = neverAfter
	}
	l.silent = l.silent || now-l.since >= patience && l.overdue >= unanswered
}

// Words is what there is to tell of each target of which something is known.
func (p *Prober) Words() []Word {
	var words []Word
	for _, target := range p.targets {
		l := p.lines[target.Address]
		switch {
		case l.silent:
			words = append(words, Word{Target: target.Machine, Silent: true, Since: l.since, Never: !l.ever, Reaches: p.reached(target, l)})
		case l.ever:
			words = append(words, Word{Target: target.Machine})
		}
	}
	return words
}

// reached is which of the target's other probers have answered during its silence.
func (p *Prober) reached(target cluster.Target, silent *line) []cluster.MachineID {
	var all []cluster.MachineID
	for _, other := range target.Others {
		if l := p.lines[other.Address]; l.ever && !l.silent && l.answered >= silent.since+meanwhile {
			all = append(all, other.Machine)
		}
	}
	slices.Sort(all)
	return all
}
