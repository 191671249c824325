package detect

import (
	"cmp"
	"maps"
	"slices"

	"argosy/core/cluster"
)

// Court is what the leader knows of machines, probers and their words, and what it
// makes of them. Standbys keep one too: they must know when the leader's own machine
// is lost. All that it knows stands in the store.
type Court struct {
	machines map[cluster.MachineID]cluster.Machine // that have a record
	departed map[cluster.MachineID]bool
	duties   map[cluster.MachineID]cluster.Probes                          // as stored, by prober
	probed   map[cluster.MachineID]map[cluster.MachineID]bool              // by target: who probes it, as stored
	words    map[cluster.MachineID]map[cluster.MachineID]cluster.Suspicion // by target, by prober
	absent   map[cluster.MachineID]string                                  // no record, and not known to be lost: their addresses
	lost     map[cluster.MachineID]bool                                    // with a record still
	ended    map[cluster.MachineID]int64                                   // the revision of a record that was ended
	open     map[cluster.MachineID]bool                                    // to be judged
	answers  map[cluster.MachineID]bool                                    // absent, and out of touch only
	told     map[cluster.MachineID]bool                                    // what of answers Absences has told; it outlasts a Reset
	rota     *Rota
}

// Absence says of a machine without a record that its kernel answers, so that its
// agent alone is out of touch; or that this is so no more: the machine is lost, it has
// left, or it is back.
type Absence struct {
	Machine cluster.MachineID
	Answers bool
}

// NewCourt returns one that knows nothing.
func NewCourt() *Court {
	c := &Court{told: map[cluster.MachineID]bool{}}
	c.forget()
	return c
}

func (c *Court) forget() {
	*c = Court{
		machines: map[cluster.MachineID]cluster.Machine{}, departed: map[cluster.MachineID]bool{},
		duties: map[cluster.MachineID]cluster.Probes{}, probed: map[cluster.MachineID]map[cluster.MachineID]bool{},
		words:  map[cluster.MachineID]map[cluster.MachineID]cluster.Suspicion{},
		absent: map[cluster.MachineID]string{}, answers: map[cluster.MachineID]bool{}, told: c.told, lost: map[cluster.MachineID]bool{}, ended: map[cluster.MachineID]int64{},
		open: map[cluster.MachineID]bool{}, rota: NewRota(),
	}
}

// Learn takes a batch in and judges whom it concerns.
func (c *Court) Learn(batch cluster.Batch) {
	if batch.Reset {
		c.forget()
	}
	for _, event := range batch.Events {
		c.learn(event)
	}
	if batch.Reset {
		c.findAbsent()
	}
	for _, id := range slices.Sorted(maps.Keys(c.open)) {
		c.judge(id)
	}
	clear(c.open)
}

func (c *Court) learn(event cluster.Event) {
	switch e := event.(type) {
	case cluster.MachineChanged:
		c.appear(e.Machine)
	case cluster.MachineGone:
		c.vanish(e.ID)
	case cluster.DepartedChanged:
		c.departed[e.Departed.Machine] = true
		if c.machines[e.Departed.Machine].ID == "" {
			c.dismiss(e.Departed.Machine)
		}
	case cluster.DepartedGone:
		delete(c.departed, e.Machine)
	case cluster.ProbesChanged:
		c.assigned(e.Probes)
	case cluster.ProbesGone:
		c.assigned(cluster.Probes{Machine: e.Machine})
	case cluster.SuspicionChanged:
		if c.words[e.Suspicion.Target] == nil {
			c.words[e.Suspicion.Target] = map[cluster.MachineID]cluster.Suspicion{}
		}
		c.words[e.Suspicion.Target][e.Suspicion.Prober] = e.Suspicion
		c.open[e.Suspicion.Target] = true
	case cluster.SuspicionGone:
		delete(c.words[e.Target], e.Prober)
		if len(c.words[e.Target]) == 0 {
			delete(c.words, e.Target)
		}
		c.open[e.Target] = true
	default: // the scheduler's
	}
}

// appear takes a machine's record in.
func (c *Court) appear(m cluster.Machine) {
	before, known := c.machines[m.ID]
	c.machines[m.ID] = m
	delete(c.absent, m.ID)
	for id, address := range c.absent {
		if address == m.Address {
			c.open[id] = true
		}
	}
	delete(c.answers, m.ID)
	c.open[m.ID] = true
	if !known || before.Probes != m.Probes {
		c.reopen(m.ID)
	}
	c.rota.Sit(Seat{Machine: m.ID, Name: m.Name, Address: m.Address, Member: m.Member, Probes: m.Probes})
}

// vanish takes a record's end in. Until it is known to be lost the machine is probed
// on; its own words count no more.
func (c *Court) vanish(id cluster.MachineID) {
	m, known := c.machines[id]
	if !known {
		return
	}
	delete(c.machines, id)
	delete(c.lost, id)
	delete(c.ended, id)
	c.reopen(id)
	if c.departed[id] {
		c.dismiss(id)
		return
	}
	c.await(Seat{Machine: id, Name: m.Name, Address: m.Address})
}

// await has a machine without a record probed on, and judged.
func (c *Court) await(seat Seat) {
	c.absent[seat.Machine] = seat.Address
	c.rota.Sit(seat)
	c.open[seat.Machine] = true
}

// dismiss has a machine probed no more.
func (c *Court) dismiss(id cluster.MachineID) {
	delete(c.absent, id)
	delete(c.answers, id)
	c.rota.Leave(id)
}

// reopen has those judged anew whom a machine probes.
func (c *Court) reopen(prober cluster.MachineID) {
	for _, target := range c.duties[prober].Targets {
		c.open[target.Machine] = true
	}
}

// assigned takes in whom a machine probes.
func (c *Court) assigned(p cluster.Probes) {
	c.rota.changed[p.Machine] = true
	for _, target := range c.duties[p.Machine].Targets {
		delete(c.probed[target.Machine], p.Machine)
		if len(c.probed[target.Machine]) == 0 {
			delete(c.probed, target.Machine)
		}
		c.open[target.Machine] = true
	}
	delete(c.duties, p.Machine)
	if len(p.Targets) == 0 {
		return
	}
	c.duties[p.Machine] = p
	for _, target := range p.Targets {
		if c.probed[target.Machine] == nil {
			c.probed[target.Machine] = map[cluster.MachineID]bool{}
		}
		c.probed[target.Machine][p.Machine] = true
		c.open[target.Machine] = true
	}
}

// findAbsent finds, in a picture that was read as a whole, machines that are probed
// though they have no record: a leader before this one was not done with them.
func (c *Court) findAbsent() {
	for _, p := range c.duties {
		for _, target := range p.Targets {
			if id := target.Machine; c.machines[id].ID == "" && !c.departed[id] {
				c.await(Seat{Machine: id, Name: target.Name, Address: target.Address})
			}
		}
	}
}

// judge comes to a verdict on one machine.
func (c *Court) judge(id cluster.MachineID) {
	if m, registered := c.machines[id]; registered {
		// What the machine wrote itself later than a word was said disproves it.
		if c.ended[id] != m.Revision && c.agreed(id, func(w cluster.Suspicion) bool { return !w.Never && w.Revision > m.Revision }) {
			c.lost[id] = true
		} else {
			delete(c.lost, id)
		}
		return
	}
	address, absent := c.absent[id]
	if !absent {
		return
	}
	any := func(cluster.Suspicion) bool { return true }
	if !c.agreed(id, any) && c.mayAnswer(id) && !c.taken(address) {
		c.answers[id] = true
	} else {
		c.dismiss(id)
	}
}

// agreed says whether two of a machine's probers have said words that count, and
// reach each other.
func (c *Court) agreed(id cluster.MachineID, counts func(cluster.Suspicion) bool) bool {
	for prober, word := range c.words[id] {
		if !c.witness(id, prober) || !counts(word) {
			continue
		}
		for _, other := range word.Reaches {
			same, said := c.words[id][other]
			if said && other != prober && c.witness(id, other) && counts(same) && slices.Contains(same.Reaches, prober) {
				return true
			}
		}
	}
	return false
}

// witness says whether a machine probes another, and is there.
func (c *Court) witness(target, prober cluster.MachineID) bool {
	return c.probed[target][prober] && c.machines[prober].Probes
}

// mayAnswer says whether a prober hears of a machine, as far as is known. One that
// has said nothing does; and where no prober is there now, the next one will tell.
func (c *Court) mayAnswer(id cluster.MachineID) bool {
	witnesses := 0
	for prober := range c.probed[id] {
		if !c.witness(id, prober) {
			continue
		}
		if _, silent := c.words[id][prober]; !silent {
			return true
		}
		witnesses++
	}
	return witnesses == 0 && len(c.rota.Probers(id)) > 0
}

// taken says that a machine with a record has an address: what answers there is that
// one. So a machine that was set up anew, with another id, is not taken for itself.
func (c *Court) taken(address string) bool {
	for _, m := range c.machines {
		if address != "" && m.Address == address {
			return true
		}
	}
	return false
}

// Condemned says whether a machine is lost though its record stands.
func (c *Court) Condemned(id cluster.MachineID) bool { return c.lost[id] }

// Lost is the records that are to be ended, in the order of their ids: those of
// machines that are lost.
func (c *Court) Lost() []cluster.Machine {
	var all []cluster.Machine
	for _, id := range slices.Sorted(maps.Keys(c.lost)) {
		all = append(all, c.machines[id])
	}
	return all
}

// Ended notes that a record was ended, or found to be another one by now: news of it
// are on their way.
func (c *Court) Ended(m cluster.Machine) {
	c.ended[m.ID] = m.Revision
	delete(c.lost, m.ID)
}

// Absences is what has changed of machines without a record since the last call, in
// the order of their ids.
func (c *Court) Absences() []Absence {
	var all []Absence
	for id := range c.told {
		if !c.answers[id] {
			delete(c.told, id)
			all = append(all, Absence{Machine: id})
		}
	}
	for id := range c.answers {
		if !c.told[id] {
			c.told[id] = true
			all = append(all, Absence{Machine: id, Answers: true})
		}
	}
	slices.SortFunc(all, func(a, b Absence) int { return cmp.Compare(a.Machine, b.Machine) })
	return all
}

// Due is up to limit machines that are to probe others than the store says, in the
// order of their ids. It tells of each once, and again when the store's news of it
// differ; Retry takes them back.
func (c *Court) Due(limit int) []cluster.Probes {
	var all []cluster.Probes
	for _, id := range slices.Sorted(maps.Keys(c.rota.changed)) {
		if len(all) == limit {
			break
		}
		delete(c.rota.changed, id)
		if wanted := c.rota.Probes(id); !same(wanted, c.duties[id]) {
			all = append(all, wanted)
		}
	}
	return all
}

// Retry has Due tell again of what was not written.
func (c *Court) Retry(all []cluster.Probes) {
	for _, p := range all {
		c.rota.changed[p.Machine] = true
	}
}

func same(a, b cluster.Probes) bool {
	return slices.EqualFunc(a.Targets, b.Targets, func(a, b cluster.Target) bool {
		return a.Machine == b.Machine && a.Name == b.Name && a.Address == b.Address && slices.Equal(a.Others, b.Others)
	})
}
