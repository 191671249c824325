package sim

import (
	"context"
	"errors"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/edge/fakesystemd"
	"argosy/role/runtime"
	"argosy/test/sim/laws"
)

// bench is a machine's systemd and disk as fleetd meets them: edge/fakesystemd,
// as slow and as faulty as the world has it.
type bench struct {
	host *host
	on   runtime.Runtime // of the life of fleetd that works at it
}

// health is how a machine's systemd and disk fare.
type health struct {
	slowDisk, slowSystemd time.Duration // the longest that a call takes
	fullDisk, deadSystemd bool          // calls fail
	hangs                 bool          // jobs that take their time never end
}

var (
	errFull = errors.New("no space left on device")
	errDead = errors.New("systemd does not answer")
)

// take has a call take its time.
func (b *bench) take(ctx context.Context, most time.Duration) error {
	if most == 0 {
		return ctx.Err()
	}
	return runtime.Sleep(ctx, b.on, b.host.world.upTo(most))
}

func (b *bench) call(ctx context.Context) error {
	if err := b.take(ctx, b.host.health.slowSystemd); err != nil {
		return err
	}
	if b.host.health.deadSystemd {
		return errDead
	}
	return nil
}

func (b *bench) Follow(ctx context.Context, deliver func(converge.Observation) error) error {
	return b.host.systemd.Follow(ctx, deliver)
}

func (b *bench) Enqueue(ctx context.Context, kind converge.Job, unit cluster.UnitName, ended func(converge.Outcome)) error {
	if err := b.call(ctx); err != nil {
		return err
	}
	b.host.world.after(b.host.world.upTo(2*time.Second), func() {
		if !b.host.health.hangs && !b.host.frozen {
			b.host.systemd.Finish(unit)
		}
	})
	if kind != converge.StopJob {
		b.host.asked[unit] = b.host.recorded[unit]
	}
	return b.host.systemd.Enqueue(ctx, kind, unit, ended)
}

func (b *bench) Reload(ctx context.Context) error {
	if err := b.call(ctx); err != nil {
		return err
	}
	return b.host.systemd.Reload(ctx)
}

func (b *bench) ResetFailed(ctx context.Context, unit cluster.UnitName) error {
	if err := b.call(ctx); err != nil {
		return err
	}
	return b.host.systemd.ResetFailed(ctx, unit)
}

// disk has an access to the disk take its time.
func (b *bench) disk() { _ = b.take(background, b.host.health.slowDisk) }

// write is an access that needs room.
func (b *bench) write() error {
	b.disk()
	if b.host.health.fullDisk {
		return errFull
	}
	return nil
}

func (b *bench) Write(unit cluster.UnitName, text string) error {
	if err := b.write(); err != nil {
		return err
	}
	return b.host.systemd.Write(unit, text)
}

func (b *bench) Read(unit cluster.UnitName) (string, error) {
	b.disk()
	return b.host.systemd.Read(unit)
}

func (b *bench) Remove(unit cluster.UnitName) error {
	b.disk()
	return b.host.systemd.Remove(unit)
}

func (b *bench) List() (map[cluster.UnitName]cluster.Hash, error) {
	b.disk()
	return b.host.systemd.List()
}

func (b *bench) Record(r converge.Record) error {
	if err := b.write(); err != nil {
		return err
	}
	b.host.recorded[r.Unit] = r.Generation
	return b.host.systemd.Record(r)
}

func (b *bench) Forget(unit cluster.UnitName) error {
	b.disk()
	return b.host.systemd.Forget(unit)
}

func (b *bench) Records() ([]converge.Record, error) {
	b.disk()
	if b.host.world.planted.forgets {
		return nil, nil
	}
	return b.host.systemd.Records()
}

func (b *bench) SaveLease(lease int64) error {
	if err := b.write(); err != nil {
		return err
	}
	return b.host.systemd.SaveLease(lease)
}

func (b *bench) Lease() (int64, error) {
	b.disk()
	return b.host.systemd.Lease()
}

func (b *bench) ForgetLease() error {
	b.disk()
	return b.host.systemd.ForgetLease()
}

// The fence: its time lies in /run, as everything that fleetd writes here.

func (b *bench) Now() time.Duration { return b.host.systemd.Now() }

func (b *bench) Extend(until time.Duration) error {
	if b.host.world.planted.endless {
		until = b.host.systemd.Now() + 2*cluster.FenceHold
	}
	if err := b.write(); err != nil {
		return err
	}
	return b.host.systemd.Extend(until)
}

func (b *bench) Until() (time.Duration, error) { return b.host.systemd.Until() }

// extendBlindly is a bug that may be planted.
func (b *bench) extendBlindly() {
	for {
		_ = b.host.systemd.Extend(b.host.systemd.Now() + cluster.FenceTime)
		_ = runtime.Sleep(background, b.on, time.Second) // ends with fleetd
	}
}

func (b *bench) Fenced(unit cluster.UnitName) bool {
	return b.host.systemd.Fenced(unit)
}

func (b *bench) SaveToken(unit cluster.UnitName, token int64) error {
	if err := b.write(); err != nil {
		return err
	}
	if b.host.world.planted.tokens {
		token = 1
	}
	return b.host.systemd.SaveToken(unit, token)
}

// ran tells the laws what really runs.
func (h *host) ran(c fakesystemd.Change) {
	w, at := h.world, laws.Place{Machine: h.id, Unit: c.Unit}
	switch {
	case c.Unit == converge.FenceUnit && c.Up:
		w.see(laws.FenceStands{At: w.now(), Machine: h.id})
	case c.Unit == converge.FenceUnit && c.Cause == fakesystemd.ByFence:
		w.see(laws.FenceFell{At: w.now(), Machine: h.id})
	case c.Unit == converge.FenceUnit: // no unit needs it any more
	case c.Up:
		s := laws.Started{At: w.now(), Place: at, Fenced: w.wishes[cluster.HashOf(c.Text)].Fenced, Token: c.Token}
		if c.Cause == fakesystemd.ByJob {
			s.Generation = h.asked[c.Unit]
		}
		w.see(s)
	default:
		w.see(laws.Ended{At: w.now(), Place: at, Cause: map[fakesystemd.Cause]laws.Cause{
			fakesystemd.ByJob: laws.ByJob, fakesystemd.ByFence: laws.ByFence, fakesystemd.ByItself: laws.ByItself,
		}[c.Cause]})
	}
}
