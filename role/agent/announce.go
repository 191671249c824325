package agent

import (
	"context"
	"maps"
	"slices"

	"argosy/core/cluster"
	"argosy/role/runtime"
)

// announcement asks the desk to have a state of a unit in the store. It is answered
// when there is one, whatever it says.
type announcement struct {
	unit cluster.UnitName
	told *runtime.Mailbox[struct{}]
}

// announce waits until the store holds a state of a unit of this machine.
func (a *Agent) announce(ctx context.Context, unit cluster.UnitName) error {
	told := runtime.NewMailbox[struct{}](a.on, a.on.NewBell(), 1)
	if err := a.mail.Send(ctx, announcement{unit, told}); err != nil {
		return err
	}
	_, err := told.Receive(ctx)
	return err
}

// learn has the state compared, and written at once. One that asked before has
// given up.
func (m announcement) learn(d *desk) {
	d.board.announced[m.unit] = m
	d.board.look(m.unit)
}

// confirm tells those who wait for a state that it is written. While a write is
// under way, which may take it back, nobody knows.
func (b *board) confirm() {
	if b.busy {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(b.announced)) {
		if n, waits := b.waiting[name]; waits && n.gone {
			continue
		}
		if _, written := b.published[name]; written {
			b.announced[name].told.Offer(struct{}{})
			delete(b.announced, name)
		}
	}
}
