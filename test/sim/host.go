package sim

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/core/schedule"
	"argosy/edge/fakesystemd"
	"argosy/role/agent"
	"argosy/role/detector"
	"argosy/role/engine"
	"argosy/role/runtime"
	"argosy/test/sim/laws"
	"argosy/test/sim/stage"
)

// host is a machine: its kernel and systemd, what lies on its disk, its network,
// and a fleetd that lives and dies on it.
type host struct {
	world  *World
	id     cluster.MachineID
	name   string
	member bool
	own    cluster.Machine // what it says of itself in every boot

	net      network
	systemd  *fakesystemd.Machine
	health   health
	recorded map[cluster.UnitName]int64 // the generation that each unit was last to be started for
	asked    map[cluster.UnitName]int64 // and that systemd was last asked to start
	boots    int
	lives    int
	up       bool
	gone     bool // it never comes back
	frozen   bool // its kernel stands still
	dead     bool // fleetd is not started
	older    bool // its fleetd is of a version that probes nobody and tells less of itself
	fleetd   *life
	kernel   *stage.Process // and systemd
	clock    *stage.Clock
}

// life is one life of fleetd.
type life struct {
	*stage.Process
	agent *agent.Agent
	end   context.CancelFunc
	stops int // that were begun and not ended
}

// stop has fleetd stand still, once more where it does.
func (l *life) stop() {
	l.stops++
	l.Pause()
}

// resume ends one stop.
func (l *life) resume() {
	if l.stops = max(0, l.stops-1); l.stops == 0 {
		l.Resume()
	}
}

func newHost(w *World, n int) *host {
	h := &host{
		world: w, id: cluster.MachineID(fmt.Sprintf("%08x%024x", n, n)), name: fmt.Sprint("core-", n), member: n <= w.plan.members, clock: w.stage.Clock(),
		recorded: map[cluster.UnitName]int64{}, asked: map[cluster.UnitName]int64{},
	}
	h.older = w.plan.mixed && w.rand.IntN(2) == 0
	h.kernel = w.stage.Process("systemd of "+h.name, h.clock)
	h.systemd = fakesystemd.NewOn(h.kernel)
	h.own = cluster.Machine{
		ID: h.id, Name: h.name, Address: fmt.Sprintf("10.0.%d.%d", n/250, n%250), API: fmt.Sprintf("10.0.%d.%d:49153", n/250, n%250), Member: h.member,
		Metadata: drawMetadata(w.rand), Capacity: cluster.Capacity{
			CPUs: 4, MemoryBytes: w.rand.Int64N(8) << 30, Other: map[string]int64{"gpu": w.rand.Int64N(3)},
		},
	}
	h.systemd.Watch(h.ran)
	h.systemd.OnReboot(func() {
		h.crash()
		w.after(w.upTo(5*time.Second), h.boot)
	})
	return h
}

// boot has the machine's kernel run, and fleetd a little later.
func (h *host) boot() {
	if h.up || h.gone {
		return
	}
	h.up = true
	h.boots++
	h.systemd.Reboot()
	h.systemd.FallLate(h.world.upTo(500 * time.Millisecond))
	h.world.see(laws.Booted{At: h.world.now(), Machine: h.id, Boot: h.bootID()})
	h.startIn(time.Duration(h.world.rand.IntN(2000)) * time.Millisecond)
}

func (h *host) bootID() string { return fmt.Sprintf("boot %d of %s", h.boots, h.name) }

// crash takes the machine's power: nothing on it ends in any order.
func (h *host) crash() {
	if !h.up {
		return
	}
	h.thaw()
	h.kill()
	h.up, h.dead = false, false
	h.systemd.Stick(false)
	h.systemd.Reboot()
	h.world.see(laws.Crashed{At: h.world.now(), Machine: h.id})
}

// startIn has systemd start fleetd in a while, unless something else happens first.
func (h *host) startIn(d time.Duration) {
	boots, lives := h.boots, h.lives
	h.world.after(d, func() {
		if h.up && !h.frozen && !h.dead && h.fleetd == nil && h.boots == boots && h.lives == lives {
			h.start()
		}
	})
}

// cut says which ways the machine's network carries nothing.
func (h *host) cut(mute, deaf bool) {
	if was := h.net.mute || h.net.deaf; was != (mute || deaf) {
		h.world.see(laws.CutOff{At: h.world.now(), Machine: h.id, Cut: mute || deaf})
	}
	h.net.mute, h.net.deaf = mute, deaf
}

// freeze has the machine's kernel stand still, with all that runs on it.
func (h *host) freeze() {
	if !h.up || h.frozen {
		return
	}
	h.frozen = true
	h.world.see(laws.Froze{At: h.world.now(), Machine: h.id})
	h.kernel.Pause()
	if h.fleetd != nil {
		h.fleetd.stop()
	}
}

// thaw has it go on.
func (h *host) thaw() {
	if !h.frozen {
		return
	}
	h.frozen = false
	h.world.see(laws.Thawed{At: h.world.now(), Machine: h.id})
	h.world.after(laws.Stall, func() { h.world.see(laws.Recovered{At: h.world.now(), Machine: h.id}) })
	h.kernel.Resume()
	if h.fleetd != nil {
		h.fleetd.resume()
	} else {
		h.startIn(time.Second)
	}
	h.finishAll()
}

// start begins a life of fleetd.
func (h *host) start() {
	h.lives++
	w := h.world
	w.see(laws.Back{At: w.now(), Machine: h.id})
	process := w.stage.Process(h.name, h.clock)
	var on runtime.Runtime = process
	if w.planted.wall {
		on = wallClock{on}
	}
	run := fmt.Sprintf("life %d of %s", h.lives, h.name)
	l := &link{world: w, on: on, net: &h.net, id: h.id, run: run}
	machine := h.own
	machine.BootID, machine.Probes = h.bootID(), w.plan.probing && (!h.older || w.planted.promises)
	ctx, end := on.WithCancel(context.Background())
	h.fleetd = &life{Process: process, end: end}
	work := &bench{host: h, on: on}
	d := detector.New(detector.Config{Machine: h.id, Runtime: on, Store: l, Echoes: &echoes{host: h, on: on}, Lease: func() int64 { return h.fleetd.agent.Lease() }, Log: w.log(h)})
	h.fleetd.agent = agent.New(agent.Config{Machine: machine, TTL: w.plan.ttl, Fence: work, Assigned: d.Learn, Log: w.log(h), Runtime: on}, l, work, work)
	running := 1
	ended := func(err error) {
		if running--; running == 0 {
			h.ended(process)
		}
	}
	on.Go(func() { ended(h.fleetd.agent.Run(ctx)) })
	if !h.older {
		running++
		on.Go(func() { ended(d.Run(ctx)) })
	}
	if w.planted.blind {
		on.Go(work.extendBlindly)
	}
	if h.member {
		running++
		e := engine.New(engine.Config{
			Machine: h.id, Run: run, Store: leads{l}, Planner: w.planted.planner(schedule.New()), MayLead: h.fleetd.agent.Admitted, Log: w.log(h), Runtime: on,
		})
		on.Go(func() { ended(e.Run(ctx)) })
	}
}

// ended is fleetd's own end, after which systemd starts it again.
func (h *host) ended(on *stage.Process) {
	if h.fleetd != nil && h.fleetd.Process == on {
		h.fleetd = nil
		h.startIn(time.Duration(100+h.world.rand.IntN(1000)) * time.Millisecond)
	}
}

// kill ends fleetd as SIGKILL does.
func (h *host) kill() {
	if h.fleetd != nil {
		h.fleetd.Kill()
		h.fleetd = nil
		h.unnoted()
	}
	h.systemd.Disconnect()
	if h.world.planted.halts {
		for _, unit := range h.running() {
			_ = h.systemd.Enqueue(background, converge.StopJob, unit, func(converge.Outcome) {})
		}
	}
}

// unnoted tells the laws of starts that neither a record nor systemd tells of any more.
func (h *host) unnoted() {
	records, _ := h.systemd.Records() // the disk of a fake does not fail
	for _, r := range records {
		if !r.Begun && h.asked[r.Unit] == r.Generation && h.systemd.Invocation(r.Unit) == "" {
			h.world.see(laws.Unnoted{At: h.world.now(), Place: laws.Place{Machine: h.id, Unit: r.Unit}, Generation: r.Generation, Fenced: h.systemd.Fenced(r.Unit)})
		}
	}
}

// leave has fleetd take the machine out of the cluster, as systemctl stop fleet
// does, and some time later start again.
func (h *host) leave() {
	if h.fleetd == nil {
		return
	}
	l, w := h.fleetd, h.world
	l.Go(func() {
		w.see(laws.Left{At: w.now(), Machine: h.id})
		ctx, cancel := l.WithTimeout(background, leaveTime)
		defer cancel()
		if err := l.agent.Leave(ctx); err != nil {
			w.remark("%s: %s", h.name, err)
		}
		l.end()
	})
}

// leaveTime bounds the leaving, as role/daemon does.
const leaveTime = 110 * time.Second

// endOne has one of the machine's units end by itself, after which systemd may
// start it again.
func (h *host) endOne() {
	running := h.running()
	if len(running) == 0 {
		return
	}
	unit := running[h.world.rand.IntN(len(running))]
	if h.world.rand.IntN(4) == 0 {
		h.systemd.End(unit, "failed")
		return
	}
	h.systemd.EndAndReturn(unit)
	h.kernel.AfterFunc(100*time.Millisecond, func() { h.systemd.Again(unit) })
}

// running are the units that systemd runs, but for the fence.
func (h *host) running() []cluster.UnitName {
	return slices.DeleteFunc(h.systemd.Running(), func(unit cluster.UnitName) bool { return unit == converge.FenceUnit })
}

// stick says whether what runs on the machine can end.
func (h *host) stick(stuck bool) {
	h.systemd.Stick(stuck)
	h.finishAll()
}

// finishAll has the jobs end that have hung.
func (h *host) finishAll() {
	for _, unit := range h.running() {
		h.systemd.Finish(unit)
	}
}

func (w *World) log(h *host) *slog.Logger {
	if w.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(w.Log).With("on", h.name)
}
