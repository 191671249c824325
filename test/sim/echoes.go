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
	way := 2*quick + from.net.slow + to.net.slow
	w.after(w.upTo(way), func() {
		if e.heard != nil && passes(from, to) && passes(to, from) {
			e.heard(address)
		}
	})
	return nil
}

// passes says whether a packet gets from one machine to another now.
func passes(from, to *host) bool {
	r := from.world.rand
	return from.up && to.up && !from.frozen && !to.frozen && !from.net.mute && !to.net.deaf && !chance(r, from.net.loss) && !chance(r, to.net.loss)
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
