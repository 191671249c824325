package agent_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"argosy/core/converge"
	"argosy/edge/fakesystemd"
)

// filling is a disk that may be full, and may be so from the moment at which a start
// is recorded.
type filling struct {
	*fakesystemd.Machine
	fills, full atomic.Bool
}

func (f *filling) Record(r converge.Record) error {
	if f.full.Load() {
		return errors.New("no space left on device")
	}
	f.full.Store(f.fills.Load())
	return f.Machine.Record(r)
}

// A unit that ends well at once leaves systemd's memory: only the record tells that
// it was started. Where the disk does not take that, it is not started once more.
func TestFullDiskAfterAStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		disk := &filling{Machine: w.machine}
		disk.fills.Store(true)
		w.disk = disk
		r := w.run()
		w.launch("a.service", ends, 1)
		w.pass(24 * time.Hour)
		w.did("start a.service")
		disk.fills.Store(false)
		disk.full.Store(false)
		w.pass(time.Minute)
		w.is("a.service", "1 inactive dead settled")
		r.end()
		w.run()
		w.pass(time.Minute)
		w.did("start a.service")
	})
}

// A start that the disk did not record was not begun, whatever else starts the unit
// meanwhile: here, systemd's own Restart=.
func TestFullDiskBeforeAStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		disk := &filling{Machine: w.machine}
		w.disk = disk
		w.run()
		w.launch("a.service", sleeps, 1)
		w.settle()
		disk.full.Store(true)
		w.launch("a.service", sleeps, 2)
		w.pass(10 * time.Millisecond)
		w.machine.EndAndReturn("a.service")
		w.machine.Again("a.service")
		w.settle()
		disk.full.Store(false)
		w.pass(time.Minute)
		w.did("start a.service", "restart a.service")
	})
}

// tardy is a systemd that tells late of what it does, but for the ends of jobs.
type tardy struct {
	*fakesystemd.Machine
	late atomic.Int64 // a time.Duration
}

func (t *tardy) Follow(ctx context.Context, deliver func(converge.Observation) error) error {
	return t.Machine.Follow(ctx, func(o converge.Observation) error {
		time.Sleep(time.Duration(t.late.Load()))
		return deliver(o)
	})
}

// A start that was asked for is taken back when the unit is not wanted any more, also
// where nothing was heard of its job yet: it would begin to run behind our back.
func TestAStartIsTakenBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		systemd := &tardy{Machine: w.machine}
		w.systemd = systemd
		w.run()
		w.settle()
		systemd.late.Store(int64(time.Minute))
		w.launch("a.service", slow, 1)
		w.pass(10 * time.Millisecond)
		w.evict("a.service", slow)
		w.pass(10 * time.Minute)
		w.did("start a.service", "stop a.service")
		if up := w.machine.Running(); len(up) > 0 {
			t.Errorf("%v run", up)
		}
	})
}
