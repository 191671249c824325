package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/core/unitfile"
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

	given   cluster.SecretVersions
	asking  cluster.Hash // of the text that secrets are those of
	secrets []unitfile.Secret

	// interrupt gives up waiting for the unit's job; nil while no steps of the
	// unit are under way.
	interrupt context.CancelFunc
	adrift    bool // a start was asked of systemd that nobody waits for any more

	byItself string // the invocation that systemd began by itself last

	// Of a unit behind the fence.
	downSince time.Time // seen down since; zero while it is up
	behind    behind
	past      *behind // as it was before the start that is under way

	problem  string // what could not be done last
	failures int
	retryAt  time.Time
}

// desk holds all that the agent knows. One task owns it: what others find out or
// have done comes to it by mail.
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
	departure *departure                     // set while and after the machine leaves
	inTouch   bool                           // the fence can stand
	settling  map[cluster.UnitName]time.Time // units behind the fence that have just gone down
	retryNext time.Time                      // when retryDue has something to do; zero where it has not
	passNext  time.Time                      // when the disk is read again
}

func newDesk(a *Agent) (*desk, error) {
	d := &desk{
		Agent: a,
		units: map[cluster.UnitName]*entry{}, seen: map[cluster.UnitName]converge.Status{},
		dirty: map[cluster.UnitName]bool{}, failing: map[cluster.UnitName]bool{},
		known: map[cluster.Hash]string{}, asked: map[cluster.Hash]bool{},
		settling: map[cluster.UnitName]time.Time{},
		board:    newBoard(), passNext: a.on.Now().Add(diskPass),
	}
	if err := d.readDisk(); err != nil {
		return nil, err
	}
	if err := d.inherit(); err != nil { // then only what is heard from here on is known
		d.log.Warn("until when the fence may stand is not known", "error", err)
	}
	return d, nil
}

// run is the loop: something is learnt, or its time has come, then all that
// follows from it is begun.
func (d *desk) run(ctx context.Context) {
	for ctx.Err() == nil {
		message, told := d.mail.Take()
		due := d.due()
		late := !due.After(d.on.Now())
		if !told && !late {
			_ = d.bell.Wait(ctx, due) // an end of ctx ends the loop
			continue
		}
		if told {
			message.learn(d)
		}
		if late {
			d.doDue(ctx, d.on.Now())
		}
		d.plan(ctx)
		d.publish(ctx)
		d.checkLeft()
		d.tellReunion()
	}
}

// due is the next time at which something is to be done though nothing is learnt.
func (d *desk) due() time.Time {
	due := d.passNext
	for _, at := range []time.Time{d.retryNext, d.publishDue(), d.board.checkDue()} {
		if !at.IsZero() && at.Before(due) {
			due = at
		}
	}
	return due
}

// doDue does what is due, but for what plan and publish do each time.
func (d *desk) doDue(ctx context.Context, now time.Time) {
	if !d.passNext.After(now) {
		d.passNext = now.Add(diskPass)
		if err := d.readDisk(); err != nil {
			d.log.Warn("the disk could not be read", "error", err)
		}
	}
	if !d.retryNext.IsZero() && !d.retryNext.After(now) {
		d.retryDue(now)
		d.settleDue(now)
	}
	if check := d.board.checkDue(); !check.IsZero() && !check.After(now) {
		d.checkStates(ctx, now)
	}
}

// learn: a batch is past its reload, and the next one may begin.
func (b underWay) learn(d *desk) {
	d.batchBusy = false
	if b.reloaded {
		d.retryQuadlets()
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
			d.lookFenced(name, e.hasFile)
			e.record = started[name]
			e.given = d.givenOnDisk(name)
			d.mark(name)
		}
	}
	return nil
}

func (batch placed) learn(d *desk) {
	if batch.Reset {
		d.placementsRead = true
		here := map[cluster.UnitName]bool{}
		for _, event := range batch.Events {
			if changed, is := event.(cluster.PlacementChanged); is {
				here[changed.Placement.Unit] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d.units)) {
			if d.units[name].want != nil && !here[name] {
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

func (o observed) learn(d *desk) {
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
	if status.Unit == converge.FenceUnit {
		defer d.markFenced()
	}
	_, ours := d.units[status.Unit]
	if !status.InMemory && !ours {
		delete(d.seen, status.Unit)
		return
	}
	before := d.seen[status.Unit]
	d.seen[status.Unit] = status
	if ours {
		if before.Sub == "auto-restart" && status.Invocation != before.Invocation {
			d.units[status.Unit].byItself = status.Invocation
		}
		d.lookBehind(status.Unit)
		d.mark(status.Unit)
	}
}

// fail notes what went wrong with a unit's steps and when to try again. A Quadlet
// file may name others that are on their way here: once, it is only tried again.
func (d *desk) fail(name cluster.UnitName, e *entry, err error) {
	pause := d.retryPause(e.failures)
	var refused *access.Refused
	if !name.Quadlet() || e.failures > 0 || errors.As(err, &refused) {
		e.problem = err.Error()
	}
	e.failures++
	e.retryAt = d.on.Now().Add(pause)
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
func (d *desk) retryDue(now time.Time) {
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
	}
}

func (f fetched) learn(d *desk) {
	delete(d.asked, f.hash)
	if f.err == nil {
		d.keepText(f.hash, f.text)
	}
	var waited []cluster.UnitName
	for name, e := range d.units {
		if e.want != nil && e.want.Hash == f.hash && e.interrupt == nil && !(e.hasFile && e.file == f.hash) {
			waited = append(waited, name)
		}
	}
	slices.Sort(waited)
	for _, name := range waited {
		e := d.units[name]
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
