package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// entry is what the desk knows of one unit of ours.
type entry struct {
	want    *cluster.Placement
	hasFile bool
	file    cluster.Hash
	record  *converge.Record
	stale   bool // the text was replaced and systemd has not read it yet
	// leftover: a Quadlet file was removed and systemd still has its service.
	// fleetd's next life does not know; the service is gone with the next reload.
	leftover bool

	// interrupt gives up waiting for the unit's job; nil while no steps of the
	// unit are under way.
	interrupt context.CancelFunc

	problem  string // what could not be done last
	failures int
	retryAt  time.Time
}

// desk holds all that the agent knows. One goroutine owns it: what others find
// out or have done comes to it over channels.
type desk struct {
	*Agent
	units map[cluster.UnitName]*entry
	seen  map[cluster.UnitName]converge.Status // all that systemd has in memory

	placementsRead, systemdRead bool
	admitted                    bool // the placements are this machine's and no other's
	batchBusy                   bool // a batch is before its reload: the next one waits

	dirty   map[cluster.UnitName]bool // to be planned
	failing map[cluster.UnitName]bool // have a retryAt
	known   map[cluster.Hash]string   // texts
	asked   map[cluster.Hash]bool     // texts that are being fetched

	board     board
	reunited  reunited
	departure *departure // set while and after the machine leaves
	retry     *time.Timer
	retryNext time.Time // when retry fires; zero where it does not
}

func newDesk(a *Agent) (*desk, error) {
	d := &desk{
		Agent: a,
		units: map[cluster.UnitName]*entry{}, seen: map[cluster.UnitName]converge.Status{},
		dirty: map[cluster.UnitName]bool{}, failing: map[cluster.UnitName]bool{},
		known: map[cluster.Hash]string{}, asked: map[cluster.Hash]bool{},
		board: newBoard(),
	}
	if err := d.readDisk(); err != nil {
		return nil, err
	}
	return d, nil
}

// run is the loop: something is learnt, then all that follows from it is begun.
func (d *desk) run(ctx context.Context) {
	d.retry = time.NewTimer(0)
	defer d.retry.Stop()
	defer d.board.timer.Stop()
	pass := time.NewTicker(diskPass)
	defer pass.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-d.placements:
			d.learnPlacements(batch)
		case seen := <-d.observed:
			d.learnStatuses(seen)
		case text := <-d.texts:
			d.learnText(text)
		case r := <-d.results:
			d.learnResult(r)
		case reloaded := <-d.batches:
			d.batchBusy = false
			if reloaded {
				d.retryQuadlets()
			}
		case r := <-d.leases:
			d.learnLease(r)
		case p := <-d.Agent.published:
			d.learnPublished(p)
		case departure := <-d.leaving:
			d.beginLeaving(departure)
		case q := <-d.questions:
			d.answer(q)
		case <-pass.C:
			if err := d.readDisk(); err != nil {
				d.log.Warn("the disk could not be read", "error", err)
			}
		case <-d.retry.C:
			d.retryDue()
		case <-d.board.timer.C:
			// publish, below, writes what is due
		}
		d.plan(ctx)
		d.publish(ctx)
		d.checkLeft()
		d.tellReunion()
	}
}

// of is the entry of a unit, made when there is none.
func (d *desk) of(name cluster.UnitName) *entry {
	e, there := d.units[name]
	if !there {
		e = &entry{}
		d.units[name] = e
	}
	return e
}

// mark has a unit planned and its state looked at.
func (d *desk) mark(name cluster.UnitName) {
	d.dirty[name] = true
	d.board.look(name)
}

// readDisk takes over what lies on the disk, but for units with steps under way.
func (d *desk) readDisk() error {
	files, err := d.disk.List()
	if err != nil {
		return err
	}
	records, err := d.disk.Records()
	if err != nil {
		d.log.Warn("records of starts were passed over", "error", err)
	}
	started := map[cluster.UnitName]*converge.Record{}
	for i := range records {
		started[records[i].Unit] = &records[i]
		d.of(records[i].Unit)
	}
	for name := range files {
		d.of(name)
	}
	for name, e := range d.units {
		if e.interrupt == nil {
			e.file, e.hasFile = files[name]
			e.record = started[name]
			d.mark(name)
		}
	}
	return nil
}

func (d *desk) learnPlacements(batch cluster.Batch) {
	if batch.Reset {
		d.placementsRead = true
		placed := map[cluster.UnitName]bool{}
		for _, event := range batch.Events {
			if changed, is := event.(cluster.PlacementChanged); is {
				placed[changed.Placement.Unit] = true
			}
		}
		for name, e := range d.units {
			if e.want != nil && !placed[name] {
				d.want(name, nil)
			}
			d.mark(name)
		}
	}
	for _, event := range batch.Events {
		switch event := event.(type) {
		case cluster.PlacementChanged:
			d.want(event.Placement.Unit, &event.Placement)
		case cluster.PlacementGone:
			d.want(event.Unit, nil)
		}
	}
}

// want notes what is wanted of a unit now. A job for what was wanted before is
// waited for no more; systemd goes on with it until it is told otherwise.
func (d *desk) want(name cluster.UnitName, placement *cluster.Placement) {
	e := d.of(name)
	same := e.want != nil && placement != nil && e.want.Hash == placement.Hash &&
		e.want.Desired == placement.Desired && e.want.Generation == placement.Generation
	e.want = placement
	if !same {
		d.clear(name, e)
		if e.interrupt != nil {
			e.interrupt()
		}
	}
	d.mark(name)
}

func (d *desk) learnStatuses(o converge.Observation) {
	if o.Reset {
		d.systemdRead = true
		clear(d.seen)
		for name, e := range d.units {
			e.retryAt = time.Time{} // what failed for want of systemd need not wait
			d.mark(name)
		}
	}
	for _, status := range o.Units {
		d.learnStatus(status)
	}
}

func (d *desk) learnStatus(status converge.Status) {
	if d.seen[status.Unit].Seq > status.Seq {
		return
	}
	_, ours := d.units[status.Unit]
	if !status.InMemory && !ours {
		delete(d.seen, status.Unit)
		return
	}
	d.seen[status.Unit] = status
	if ours {
		d.mark(status.Unit)
	}
}

// fail notes what went wrong with a unit's steps and when to try again. A Quadlet
// file may name others that are on their way here: once, it is only tried again.
func (d *desk) fail(name cluster.UnitName, e *entry, err error) {
	pause := d.retryPause(e.failures)
	if !name.Quadlet() || e.failures > 0 {
		e.problem = err.Error()
	}
	e.failures++
	e.retryAt = time.Now().Add(pause)
	d.failing[name] = true
	d.mark(name)
	d.schedule(e.retryAt)
	d.log.Warn("a unit's steps went wrong", "unit", name, "error", err, "again in", pause)
}

func (d *desk) clear(name cluster.UnitName, e *entry) {
	e.problem, e.failures, e.retryAt = "", 0, time.Time{}
	delete(d.failing, name)
}

// retryDue marks the units whose time has come and waits for the next.
func (d *desk) retryDue() {
	now := time.Now()
	d.retryNext = time.Time{}
	for name := range d.failing {
		if at := d.units[name].retryAt; at.After(now) {
			d.schedule(at)
		} else {
			d.mark(name)
		}
	}
}

// retryQuadlets tries those again of which Podman's generator made no service: it
// has run again, and they may have waited for a file that has come. Their starts
// were refused, and are tried again without another reload.
func (d *desk) retryQuadlets() {
	for name := range d.failing {
		e := d.units[name]
		if name.Quadlet() && e.interrupt == nil && e.record != nil && !e.record.Begun {
			e.retryAt = time.Time{}
			d.mark(name)
		}
	}
}

// schedule has retryDue called no later than at a time.
func (d *desk) schedule(at time.Time) {
	if d.retryNext.IsZero() || at.Before(d.retryNext) {
		d.retryNext = at
		d.retry.Reset(time.Until(at))
	}
}

func (d *desk) learnText(f fetched) {
	delete(d.asked, f.hash)
	if f.err == nil {
		d.keepText(f.hash, f.text)
	}
	for name, e := range d.units {
		if e.want == nil || e.want.Hash != f.hash || e.interrupt != nil || e.hasFile && e.file == f.hash {
			continue
		}
		if errors.Is(f.err, cluster.ErrNotFound) {
			d.fail(name, e, fmt.Errorf("its text %s is not in the store", f.hash))
		} else if f.err != nil {
			d.fail(name, e, fmt.Errorf("its text could not be read: %w", f.err))
		}
		d.mark(name)
	}
}

// keepText remembers a text, and forgets others when there are many: each is
// on the disk once its unit is.
func (d *desk) keepText(hash cluster.Hash, text string) {
	const many = 256
	if len(d.known) >= many {
		needed := map[cluster.Hash]bool{}
		for _, e := range d.units {
			if e.want != nil && e.file != e.want.Hash {
				needed[e.want.Hash] = true
			}
		}
		for old := range d.known {
			if !needed[old] {
				delete(d.known, old)
			}
		}
	}
	d.known[hash] = text
}
