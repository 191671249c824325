package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/test/sim/laws"
)

var background = context.Background()

// fault is something that the world does to a machine or to the store. begin
// returns what takes it back; nil where nothing does.
type fault struct {
	name  string
	begin func(w *World, h *host) (end func())
}

// hiddenFaults are those of the control plane alone, short enough that no lease
// ends: no unit may notice.
var hiddenFaults = []fault{
	{"fleetd is killed", func(w *World, h *host) func() {
		h.kill()
		h.startIn(w.upTo(2 * time.Second))
		return nil
	}},
	{"the store loses its quorum", func(w *World, _ *host) func() {
		w.away = true
		return func() { w.away = false }
	}},
	{"its network is slow", func(w *World, h *host) func() {
		h.net.slow = w.upTo(time.Second)
		return func() { h.net.slow = 0 }
	}},
	{"its network loses packets", func(w *World, h *host) func() {
		h.net.loss = w.rand.Float64() / 4
		return func() { h.net.loss = 0 }
	}},
	{"its requests come late", func(w *World, h *host) func() {
		h.net.late = w.rand.Float64() / 4
		return func() { h.net.late = 0 }
	}},
	{"the store forgets its history", func(w *World, _ *host) func() {
		w.store.Compact()
		return nil
	}},
	{"fleetd is restarted", func(w *World, h *host) func() {
		if h.fleetd != nil {
			h.fleetd.end()
		}
		return nil
	}},
	{"its disk is slow", func(w *World, h *host) func() {
		h.health.slowDisk = w.upTo(time.Second)
		return func() { h.health.slowDisk = 0 }
	}},
	{"its disk is full", func(_ *World, h *host) func() {
		h.health.fullDisk = true
		return func() { h.health.fullDisk = false }
	}},
	{"systemd is slow", func(w *World, h *host) func() {
		h.health.slowSystemd = w.upTo(time.Second)
		return func() { h.health.slowSystemd = 0 }
	}},
	{"systemd does not answer", func(_ *World, h *host) func() {
		h.health.deadSystemd = true
		return func() { h.health.deadSystemd = false }
	}},
	{"its jobs hang", func(_ *World, h *host) func() {
		h.health.hangs = true
		return func() {
			h.health.hangs = false
			h.finishAll()
		}
	}},
	{"systemd ends its connections", func(_ *World, h *host) func() {
		h.systemd.Disconnect()
		return nil
	}},
	{"its clock is set", func(w *World, h *host) func() {
		h.clock.Jump(w.upTo(2*time.Hour) - time.Hour)
		return nil
	}},
	{"its clock drifts", func(w *World, h *host) func() {
		h.clock.Drift(w.rand.Float64()/50 - 0.01)
		return nil
	}},
}

// silences are those that may have a machine's lease, and so its fence, end.
var silences = []fault{
	{"it is cut off", func(w *World, h *host) func() {
		h.cut(true, true)
		return func() { h.cut(false, false) }
	}},
	{"it is not heard", func(w *World, h *host) func() {
		h.cut(true, h.net.deaf)
		return func() { h.cut(false, h.net.deaf) }
	}},
	{"it does not hear", func(w *World, h *host) func() {
		h.cut(h.net.mute, true)
		return func() { h.cut(h.net.mute, false) }
	}},
	{"fleetd is stopped by SIGSTOP", func(w *World, h *host) func() {
		if h.fleetd == nil {
			return nil
		}
		h.fleetd.stop()
		return h.fleetd.resume
	}},
	{"fleetd is dead", func(_ *World, h *host) func() {
		h.dead = true
		h.kill()
		return func() {
			h.dead = false
			h.startIn(time.Second)
		}
	}},
	{"it stands still", func(_ *World, h *host) func() {
		h.freeze()
		return h.thaw
	}},
}

// anyFault is all there is.
var anyFault = slices.Concat(silences, hiddenFaults, []fault{
	{"its fence is killed", func(_ *World, h *host) func() {
		h.systemd.KillFence()
		return nil
	}},
	{"what runs on it cannot end", func(_ *World, h *host) func() {
		h.stick(true)
		return func() { h.stick(false) }
	}},
	{"it loses its power", func(w *World, h *host) func() {
		h.crash()
		return h.boot
	}},
	{"its lease ends in mid-step", func(w *World, h *host) func() {
		if m, err := w.store.Machine(background, h.id); err == nil {
			w.store.do(laws.Writer{Role: laws.Expiry}, func() { w.store.EndLease(m.Lease) })
		}
		return nil
	}},
	{"one of its units ends", func(w *World, h *host) func() {
		h.endOne()
		return nil
	}},
	{"it is asked to leave", func(w *World, h *host) func() {
		h.leave()
		return nil
	}},
})

// versions befall clusters in which two of them are side by side.
var versions = []fault{
	{"fleetd is exchanged for another version", func(_ *World, h *host) func() {
		h.older = !h.older
		if h.fleetd != nil {
			h.fleetd.end()
		}
		return nil
	}},
}

// schedule draws when which fault befalls whom, and for how long.
func (w *World) schedule() {
	if len(w.plan.kinds) == 0 {
		return
	}
	for range w.plan.faults {
		f, h := w.plan.kinds[w.rand.IntN(len(w.plan.kinds))], w.hosts[w.rand.IntN(len(w.hosts))]
		lasts := w.upTo(4 * time.Second)
		if w.plan.wild && w.rand.IntN(3) == 0 {
			lasts = w.upTo(30 * time.Second)
		}
		long := w.plan.fenced > 0 && w.plan.wild && w.rand.IntN(4) == 0
		if long { // what was behind a fence may run elsewhere later than other faults last
			f, lasts = silences[w.rand.IntN(len(silences))], cluster.FenceHold+w.upTo(30*time.Second)
		}
		w.after(w.upTo(w.plan.storm), func() {
			if w.over() {
				return
			}
			if long {
				h = w.guarding(h)
			} else if w.rand.IntN(4) == 0 {
				h = w.leader(h)
			}
			if h.frozen {
				return
			}
			w.remark("%s: %s for %s", h.name, f.name, lasts.Round(time.Millisecond))
			if end := f.begin(w, h); end != nil {
				w.after(lasts, func() {
					w.remark("%s: %s no more", h.name, f.name)
					end()
				})
			}
		})
	}
}

// leader is the machine that leads, or another where none does.
func (w *World) leader(or *host) *host {
	if lead, err := w.store.Leader(background); err == nil {
		for _, h := range w.hosts[:w.plan.members] {
			if h.id == lead.Machine {
				return h
			}
		}
	}
	return or
}

// guarding is a machine with units behind its fence, or another where none has.
func (w *World) guarding(or *host) *host {
	first := w.rand.IntN(len(w.hosts))
	for i := range w.hosts {
		h := w.hosts[(first+i)%len(w.hosts)]
		if slices.ContainsFunc(h.running(), h.systemd.Fenced) {
			return h
		}
	}
	return or
}

func (w *World) upTo(d time.Duration) time.Duration { return time.Duration(w.rand.Int64N(int64(d))) }

func (w *World) remark(format string, args ...any) {
	w.trace.note(w.now(), fmt.Sprintf(format, args...))
}

// clear takes all faults back, and leaves out for ever those machines that are to
// be lost.
func (w *World) clear() {
	w.remark("the faults are over")
	w.away = false
	for _, h := range w.hosts {
		h.cut(false, false)
		h.net, h.health = network{}, health{}
		h.thaw()
		h.stick(false)
		if h.fleetd != nil {
			h.fleetd.stops = 0
			h.fleetd.Resume()
		}
		if h.dead {
			h.dead = false
			h.startIn(time.Second)
		}
	}
	for range w.plan.lost {
		h := w.hosts[w.plan.members%len(w.hosts)+w.rand.IntN(len(w.hosts)-w.plan.members%len(w.hosts))]
		if w.plan.members > 1 && w.rand.IntN(2) == 0 {
			h = w.hosts[w.rand.IntN(len(w.hosts))]
		}
		h.gone = true
		h.crash()
	}
	for _, h := range w.hosts {
		h.boot()
	}
}
