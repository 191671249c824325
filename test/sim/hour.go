package sim

import (
	"math/rand/v2"
	"time"

	"argosy/role/runtime"
	"argosy/test/sim/laws"
)

// The hour is one in which no machine is lost, and everything is done to have one
// taken for lost: see NewHour.
const (
	// lossEachWay is what the detector is made for: of the packets that a machine
	// sends, and of those that it receives.
	lossEachWay = 0.3
	// between is the time from one fault of the hour to the next.
	between = 12 * time.Second
	// standstill is how long each of them lasts.
	standstill = 5 * time.Second
	// election is how long the store has no leader when a member's etcd stands still.
	election = 2 * time.Second
	// quietEnd is when nothing befalls anybody any more, for what comes last.
	quietEnd = 40 * time.Second
	// missedIn is within what time a machine without power is known to be lost: less
	// than its lease takes to end.
	missedIn = 4 * time.Second
)

// hourFaults are what befalls daemons and clocks, for too short a time for any lease
// to end.
var hourFaults = []fault{
	named("its clock is set"),
	named("its clock drifts"),
	named("fleetd is stopped by SIGSTOP"),
	named("fleetd is killed"),
	{"the store elects another leader", func(w *World, _ *host) func() {
		w.away = true
		w.after(election, func() { w.away = false })
		return nil
	}},
	{"fleetd is stopped by SIGSTOP on all machines", func(w *World, _ *host) func() {
		var resume []func()
		for _, h := range w.hosts {
			if h.fleetd != nil {
				h.fleetd.stop()
				resume = append(resume, h.fleetd.resume)
			}
		}
		return func() {
			for _, f := range resume {
				f()
			}
		}
	}},
}

// named is one of the faults that there are.
func named(name string) fault {
	for _, f := range anyFault {
		if f.name == name {
			return f
		}
	}
	panic("no such fault: " + name)
}

// NewHour draws an hour of five machines, on each of which 30% of the packets that it
// sends are lost and 30% of those that it receives. Every twelve seconds something
// befalls a daemon for five, or a clock is set or drifts. In the end one machine is
// lost, to see that the detectors were awake.
func NewHour(seed uint64) *World {
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(seed, r, plan{
		machines: 5, members: 3, names: names(10), operators: 1, pace: time.Minute, chunk: 16,
		storm: time.Hour, confirm: time.Second, ttl: 10 * time.Second, probing: true,
	})
	for _, h := range w.hosts {
		h.net.drops = lossEachWay
	}
	for at := between; at < w.plan.storm-quietEnd; at += between {
		f, h := hourFaults[r.IntN(len(hourFaults))], w.hosts[r.IntN(len(w.hosts))]
		w.after(at, func() {
			w.remark("%s: %s", h.name, f.name)
			if end := f.begin(w, h); end != nil {
				w.after(standstill, end)
			}
		})
	}
	w.after(w.plan.storm-quietEnd/2, w.loseOne)
	return w
}

// loseOne sets all clocks back, and then takes a worker's power, which must be missed
// at once all the same.
func (w *World) loseOne() {
	for _, h := range w.hosts {
		h.clock.Jump(-time.Minute)
	}
	lost := w.hosts[len(w.hosts)-1]
	w.after(10*time.Second, func() {
		lost.crash()
		w.after(missedIn, func() { w.see(laws.Missed{At: w.now(), Machine: lost.id}) })
	})
}

// wallClock is a runtime that knows the wall's clock alone, which can be set.
type wallClock struct{ runtime.Runtime }

func (c wallClock) Now() time.Time { return c.Runtime.Now().Round(0) }
