package sim

import (
	"context"
	"time"

	"argosy/role/runtime"
)

// echoes is the detector's way to other kernels: edge/probe, with a network between.
// Whatever becomes of fleetd there, a kernel that runs answers.
type echoes struct {
	host  *host
	on    runtime.Runtime
	heard func(address string)
}

func (e *echoes) Send(address string) error {
	from, to := e.host, e.host.world.byAddress[address]
	if to == nil || !passes(from, to) {
		return nil
	}
	w := from.world
	if w.over() { // the network is as it should be: nothing that takes time tells more
		e.heard(address)
		return nil
	}
	way := 2*quick + from.net.slow + to.net.slow
	w.after(w.upTo(way), func() {
		if e.heard != nil && passes(to, from) {
			e.heard(address)
		}
	})
	return nil
}

// passes says whether a packet gets from one machine to another now.
func passes(from, to *host) bool {
	return from.up && to.up && !from.frozen && !to.frozen && !from.net.mute && !to.net.deaf && !from.loses() && !to.loses()
}

// loses says whether a packet of another kernel, or to one, is lost now.
func (h *host) loses() bool {
	return chance(h.world.rand, h.net.loss) || chance(h.world.rand, h.net.drops)
}

func (e *echoes) Follow(ctx context.Context, heard func(address string)) error {
	e.heard = heard
	defer func() { e.heard = nil }()
	for {
		if err := e.on.NewBell().Wait(ctx, time.Time{}); err != nil {
			return err
		}
	}
}
