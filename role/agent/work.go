package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/role/runtime"
)

// chain is the steps of one unit, and what is so after each of them.
type chain struct {
	ctx   context.Context // ends when what the steps lead to is wanted no more
	unit  cluster.UnitName
	steps []converge.Step
	text  string // for Write

	status   converge.Status
	hasFile  bool
	file     cluster.Hash
	record   *converge.Record
	stale    bool
	leftover bool
	given    cluster.SecretVersions
	anew     bool // its start is recorded
}

// result is how a chain ended.
type result struct {
	*chain
	interrupted bool // given up because something else is wanted now
	err         error
}

// batch is the chains of one plan, and the reload that some of them need.
type batch struct {
	chains map[cluster.UnitName]*chain
	reload *converge.Reload
}

// do does a batch: what ends begins to end at once; texts are written, systemd
// reads them, and what starts begins to start. It returns when all has begun.
func (a *Agent) do(ctx context.Context, b batch) {
	failed := a.refused(ctx, b)
	if b.reload != nil && allIn(failed, b.reload.Units) {
		b.reload = nil // nothing was written for it to read
	}
	names := slices.Sorted(maps.Keys(b.chains))
	for _, name := range names {
		c := b.chains[name]
		if len(c.steps) == 0 || failed[name] != nil {
			continue // it waits for the reload alone, or stays as it is
		}
		if w, is := c.steps[0].(converge.Write); is {
			failed[name] = a.write(c, w)
			c.steps = c.steps[1:]
		}
	}
	if b.reload != nil {
		a.reload(ctx, b, failed)
	}
	_ = a.mail.Send(ctx, underWay{reloaded: b.reload != nil}) // ends with ctx
	for _, name := range names {
		c := b.chains[name]
		a.tasks.Go(func() {
			err := failed[name]
			if err == nil {
				err = a.run(ctx, c)
			}
			interrupted := errors.Is(err, context.Canceled) && c.ctx.Err() != nil
			_ = a.mail.Send(ctx, result{chain: c, interrupted: interrupted, err: err}) // ends with ctx
		})
	}
}

func (a *Agent) write(c *chain, w converge.Write) error {
	if err := a.disk.Write(c.unit, c.text); err != nil {
		return err
	}
	c.hasFile, c.file, c.stale = true, w.Hash, c.stale || w.Stale
	a.lookFenced(c.unit, true)
	return nil
}

// reload has systemd read the texts. Those who need not wait for it go on when
// it cannot.
func (a *Agent) reload(ctx context.Context, b batch, failed map[cluster.UnitName]error) {
	a.log.Info("systemd reads its files again", "reason", b.reload.Reason)
	err := a.systemd.Reload(ctx)
	for name, c := range b.chains {
		switch {
		case err == nil:
			c.stale, c.status.NeedReload, c.leftover = false, false, false
		case slices.Contains(b.reload.Units, name):
			failed[name] = errors.Join(failed[name], err)
		}
	}
}

// run does a chain's steps until one fails.
func (a *Agent) run(ctx context.Context, c *chain) error {
	for _, step := range c.steps {
		var err error
		switch step := step.(type) {
		case converge.Stop:
			err = a.stop(ctx, c, step)
		case converge.Forget:
			if err = a.disk.Forget(c.unit); err == nil {
				c.record, c.given = nil, ""
			}
		case converge.Remove:
			err = a.remove(ctx, c, step)
		case converge.Adopt:
			err = a.note(c, func(r *converge.Record) { r.Begun = true })
		case converge.Guard:
			err = a.note(c, func(r *converge.Record) { r.Fence = step.Fence })
		case converge.Give:
			c.given, err = a.give(c.ctx, c.unit, step.Secrets)
		case converge.Start:
			err = a.start(c, converge.StartJob, step.Generation, step.Hash, step.Reason)
		case converge.Restart:
			err = a.start(c, converge.RestartJob, step.Generation, step.Hash, step.Reason)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// note changes the unit's record.
func (a *Agent) note(c *chain, change func(*converge.Record)) error {
	r := *c.record
	change(&r)
	if err := a.disk.Record(r); err != nil {
		return err
	}
	c.record = &r
	return nil
}

// stop is seen through once it has begun, whatever is wanted meanwhile: that
// comes after it.
func (a *Agent) stop(ctx context.Context, c *chain, step converge.Stop) error {
	a.log.Info("stop", "unit", c.unit, "reason", step.Reason)
	if c.record != nil {
		if err := a.note(c, func(r *converge.Record) { r.Stopping = true }); err != nil {
			return err
		}
	}
	outcome, err := a.job(ctx, c, converge.StopJob)
	if err != nil {
		return err
	}
	if outcome.Result != "done" {
		return fmt.Errorf("stop %s: systemd says %q of its job", c.unit, outcome.Result)
	}
	return nil
}

func (a *Agent) remove(ctx context.Context, c *chain, step converge.Remove) error {
	a.log.Info("remove", "unit", c.unit, "reason", step.Reason)
	if err := a.disk.Remove(c.unit); err != nil {
		return err
	}
	c.hasFile, c.file, c.record, c.stale, c.given = false, "", nil, false, ""
	a.lookFenced(c.unit, false)
	c.leftover = c.unit.Quadlet()
	return a.systemd.ResetFailed(ctx, c.unit)
}

// start records that the unit is being started, and starts it. In this order a
// fleetd that ends in between neither loses the start nor does it twice.
func (a *Agent) start(c *chain, kind converge.Job, generation int64, hash cluster.Hash, reason string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	a.log.Info(string(kind), "unit", c.unit, "reason", reason)
	record := converge.Record{Unit: c.unit, Generation: generation, Hash: hash,
		Boot: a.config.Machine.BootID, Before: c.status.Invocation}
	if a.fenced.has(c.unit) {
		if err := a.passFence(c, generation, hash); err != nil {
			return err
		}
		record.Fence = converge.Awaited
	}
	if err := a.disk.Record(record); err != nil {
		return err // and nothing says that it is being started
	}
	c.record, c.anew = &record, true
	outcome, err := a.job(c.ctx, c, kind)
	switch {
	case errors.Is(err, errLost):
		return nil // it was begun, and the next list of units tells how it ended
	case err == nil && outcome.Result != "done":
		err = a.note(c, func(r *converge.Record) { r.Outcome = outcome.Result })
		if err == nil && record.Fence != "" && outcome.Result == "dependency" {
			err = errors.New("not started: its fence, or another unit that it requires, did not start")
		}
	}
	return err
}

// errLost says that the end of a job was not heard of.
var errLost = errors.New("the connection to systemd was lost before the job ended")

// job has systemd do a job and waits for its end, or until ctx ends. It holds
// one of the places for jobs, but not for longer than slowJob.
func (a *Agent) job(ctx context.Context, c *chain, kind converge.Job) (converge.Outcome, error) {
	if err := a.slots.Acquire(ctx); err != nil {
		return converge.Outcome{}, err
	}
	held := true
	release := func() {
		if held {
			held = false
			a.slots.Release()
		}
	}
	defer release()
	bell := a.on.NewBell()
	ended := runtime.NewMailbox[converge.Outcome](a.on, bell, 1)
	if err := a.systemd.Enqueue(ctx, kind, c.unit, func(o converge.Outcome) { ended.Offer(o) }); err != nil {
		return converge.Outcome{}, err
	}
	if kind != converge.StopJob {
		if err := a.noteBegun(ctx, c, release); err != nil {
			return converge.Outcome{}, err
		}
	}
	slow := a.on.Now().Add(slowJob)
	for {
		if outcome, has := ended.Take(); has && outcome.Result == "" {
			return outcome, fmt.Errorf("%s %s: %w", kind, c.unit, errLost)
		} else if has {
			c.status = outcome.Status
			return outcome, nil
		}
		if err := bell.Wait(ctx, slow); err != nil {
			return converge.Outcome{}, err
		}
		if held && !a.on.Now().Before(slow) {
			release()
			slow = time.Time{}
		}
	}
}

// noteBegun notes that systemd has accepted a start, as often as it takes: nothing else
// tells of a unit that has ended well by now, and it would be started once more. A
// disk that takes nothing is waited for without a place for jobs.
func (a *Agent) noteBegun(ctx context.Context, c *chain, release func()) error {
	for {
		err := a.note(c, func(r *converge.Record) { r.Begun = true })
		if err == nil {
			return nil
		}
		a.log.Warn("a start is not recorded as begun", "unit", c.unit, "error", err, "again in", recordRetry)
		release()
		if err := runtime.Sleep(ctx, a.on, recordRetry); err != nil {
			return err
		}
	}
}

// recordRetry is for a disk that did not take that a start has begun.
const recordRetry = time.Second

// fetched is a text, or why there is none.
type fetched struct {
	hash cluster.Hash
	text string
	err  error
}

// fetch gets a text from the store, once however many units want it.
func (d *desk) fetch(ctx context.Context, hash cluster.Hash) {
	if d.asked[hash] {
		return
	}
	d.asked[hash] = true
	d.tasks.Go(func() {
		if d.gates.Acquire(ctx) != nil {
			return
		}
		text, err := d.store.Content(ctx, hash)
		d.gates.Release()
		if err == nil && cluster.HashOf(text) != hash {
			err = fmt.Errorf("the text stored as %s has the hash %s", hash, cluster.HashOf(text))
		}
		_ = d.mail.Send(ctx, fetched{hash, text, err}) // ends with ctx
	})
}
