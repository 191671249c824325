package sim

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/role/runtime"
	"argosy/test/sim/laws"
)

// callTime is how long edge/store waits for one answer.
const callTime = 3 * time.Second

// network is a machine's way to the store as it is now.
type network struct {
	mute  bool          // nothing that it says arrives
	deaf  bool          // nothing that it is told arrives
	loss  float64       // of requests, and of answers
	late  float64       // of requests: they arrive when nobody waits for them any more
	drops float64       // of packets between kernels, which nobody sends again
	slow  time.Duration // the longest way
}

const quick = 3 * time.Millisecond

// link is the way to the store of one life of fleetd, or of an operator beside
// it: edge/store with a network between, and what a network does.
type link struct {
	world *World
	on    runtime.Runtime
	net   *network
	id    cluster.MachineID
	run   string
	known int64 // the revision up to which the engine was told
}

func (l *link) by(role laws.Role) laws.Writer {
	return laws.Writer{Role: role, Machine: l.id, Run: l.run, Known: l.known}
}

// call has op done in the store. The request may be lost, or arrive late; the
// answer may be lost, when op is done all the same. As in edge/store, a caller
// that has given up gets its own error, and one that hears nothing ErrUnavailable.
func (l *link) call(ctx context.Context, role laws.Role, op func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, by := l.world, l.by(role)
	late := func() {
		w.after(l.travelTime(2*callTime), func() {
			if !l.net.mute && !w.away {
				w.store.do(by, func() { _ = op() })
			}
		})
	}
	switch {
	case l.net.mute, w.away, chance(w.rand, l.net.loss):
		return l.silence(ctx)
	case chance(w.rand, l.net.late):
		late()
		return l.silence(ctx)
	}
	if runtime.Sleep(ctx, l.on, l.travelTime(0)) != nil {
		if l.net.late > 0 && w.rand.IntN(2) == 0 {
			late() // it was on its way
		}
		return l.given(ctx)
	}
	if l.net.mute || w.away {
		return l.silence(ctx)
	}
	var err error
	w.store.do(by, func() { err = op() })
	if l.net.deaf || chance(w.rand, l.net.loss) {
		return l.silence(ctx)
	}
	if runtime.Sleep(ctx, l.on, l.travelTime(0)) != nil {
		return l.given(ctx)
	}
	return err
}

func chance(r *rand.Rand, p float64) bool { return p > 0 && r.Float64() < p }

// travelTime is how long something takes from here to there, from a least time on.
func (l *link) travelTime(least time.Duration) time.Duration {
	return least + time.Duration(l.world.rand.Int64N(int64(max(quick, l.net.slow))))
}

// silence is a call that nobody answers.
func (l *link) silence(ctx context.Context) error {
	if runtime.Sleep(ctx, l.on, callTime) != nil {
		return l.given(ctx)
	}
	return cluster.ErrUnavailable
}

// given is the error of a caller that has given up.
func (l *link) given(ctx context.Context) error {
	if ctx.Err() == context.Canceled { //nolint:errorlint // a context's own error is bare
		return ctx.Err()
	}
	return cluster.ErrUnavailable
}

// Follow is edge/store's: what it brings is on its way for a while, waits while
// the way is shut, and goes on where it was.
func (l *link) Follow(ctx context.Context, scope cluster.Scope, deliver func(cluster.Batch) error) error {
	f := &follower{scope: scope, bell: l.on.NewBell()}
	defer l.world.store.join(f)()
	confirm := l.world.plan.confirm
	for due := l.on.Now(); ; {
		if err := f.bell.Wait(ctx, due); err != nil {
			return err
		}
		due = l.on.Now().Add(confirm)
		if l.net.deaf || l.net.mute || l.world.away {
			continue
		}
		batch := l.world.store.Changes(scope, f.known)
		if _, one := scope.Machine(); one && l.world.planted.herd {
			batch = l.world.store.Changes(cluster.Everything, f.known)
		}
		if err := runtime.Sleep(ctx, l.on, l.travelTime(0)); err != nil {
			return err
		}
		if l.net.deaf {
			continue // it is read again
		}
		l.tell(f, batch)
		if err := deliver(batch); err != nil {
			return err
		}
		f.known = batch.Revision
		if scope == cluster.Everything {
			l.known = batch.Revision
		}
	}
}

// tell has the laws know of what reaches an agent.
func (l *link) tell(f *follower, batch cluster.Batch) {
	id, one := f.scope.Machine()
	if !one || !batch.Reset && len(batch.Events) == 0 {
		return
	}
	told := laws.Told{At: l.world.now(), Machine: id, Reset: batch.Reset, Since: f.known, Upto: batch.Revision}
	for _, event := range batch.Events {
		told.Keys = append(told.Keys, said(event, nil).Key)
	}
	l.world.see(told)
}

// The agent's calls.

func (l *link) GrantLease(ctx context.Context, ttl time.Duration) (lease int64, err error) {
	err = l.call(ctx, laws.Agent, func() (err error) {
		lease, err = l.world.store.GrantLease(context.Background(), ttl)
		return err
	})
	return lease, err
}

func (l *link) KeepAlive(ctx context.Context, lease int64) error {
	return l.call(ctx, laws.Agent, func() error { return l.world.store.KeepAlive(context.Background(), lease) })
}

func (l *link) RevokeLease(ctx context.Context, lease int64) error {
	return l.call(ctx, laws.Agent, func() error { return l.world.store.RevokeLease(context.Background(), lease) })
}

func (l *link) Machine(ctx context.Context, id cluster.MachineID) (m cluster.Machine, err error) {
	err = l.call(ctx, laws.Agent, func() (err error) {
		m, err = l.world.store.Machine(context.Background(), id)
		return err
	})
	return m, err
}

func (l *link) PutMachine(ctx context.Context, m cluster.Machine) (put cluster.Machine, err error) {
	err = l.call(ctx, laws.Agent, func() (err error) {
		put, err = l.world.store.PutMachine(context.Background(), m)
		return err
	})
	return put, err
}

func (l *link) Content(ctx context.Context, hash cluster.Hash) (text string, err error) {
	err = l.call(ctx, laws.Agent, func() (err error) {
		text, err = l.world.store.Content(context.Background(), hash)
		return err
	})
	return text, err
}

func (l *link) States(ctx context.Context, id cluster.MachineID) (states []cluster.UnitState, err error) {
	err = l.call(ctx, laws.Agent, func() (err error) {
		states, err = l.world.store.States(context.Background(), id)
		return err
	})
	return states, err
}

func (l *link) PutStates(ctx context.Context, lease int64, id cluster.MachineID, changed []cluster.UnitState, gone []cluster.UnitName) error {
	return l.call(ctx, laws.Agent, func() error {
		return l.world.store.PutStates(context.Background(), lease, id, changed, gone)
	})
}

func (l *link) Placement(ctx context.Context, id cluster.MachineID, unit cluster.UnitName) (p cluster.Placement, err error) {
	err = l.call(ctx, laws.Agent, func() (err error) {
		p, err = l.world.store.Placement(context.Background(), id, unit)
		return err
	})
	return p, err
}

func (l *link) Depart(ctx context.Context, id cluster.MachineID, lease int64, at time.Time) error {
	return l.call(ctx, laws.Agent, func() error { return l.world.store.Depart(context.Background(), id, lease, at) })
}

func (l *link) PutSuspicions(ctx context.Context, lease int64, id cluster.MachineID, words []cluster.Suspicion, withdrawn []cluster.MachineID) error {
	if l.world.planted.slander {
		words, withdrawn = l.slander(), nil
	}
	return l.call(ctx, laws.Agent, func() error {
		return l.world.store.PutSuspicions(context.Background(), lease, id, words, withdrawn)
	})
}

// slander is words on all that this machine probes.
func (l *link) slander() (words []cluster.Suspicion) {
	var others []cluster.MachineID
	for _, h := range l.world.hosts {
		others = append(others, h.id)
	}
	for _, id := range others {
		if id != l.id {
			words = append(words, cluster.Suspicion{Target: id, Prober: l.id, Since: l.on.Now(), Reaches: others})
		}
	}
	return words
}

// The engine's calls.

// leads is the link as a leader uses it.
type leads struct{ *link }

// RevokeLease ends the lease of a machine that is lost, and what stands under it.
func (l leads) RevokeLease(ctx context.Context, lease int64) error {
	return l.call(ctx, laws.Engine, func() error { return l.world.store.RevokeLease(context.Background(), lease) })
}

func (l *link) Assign(ctx context.Context, term cluster.Leader, all []cluster.Probes) error {
	return l.call(ctx, laws.Engine, func() error { return l.world.store.Assign(context.Background(), term, all) })
}

func (l *link) EndMachine(ctx context.Context, term cluster.Leader, m cluster.Machine) error {
	return l.call(ctx, laws.Engine, func() error { return l.world.store.EndMachine(context.Background(), term, m) })
}

func (l *link) Leader(ctx context.Context) (leader cluster.Leader, err error) {
	err = l.call(ctx, laws.Engine, func() (err error) {
		leader, err = l.world.store.Leader(context.Background())
		return err
	})
	return leader, err
}

func (l *link) TakeLead(ctx context.Context, wanted cluster.Leader) (term cluster.Leader, err error) {
	err = l.call(ctx, laws.Engine, func() (err error) {
		term, err = l.world.store.TakeLead(context.Background(), wanted)
		return err
	})
	return term, err
}

func (l *link) Resign(ctx context.Context, term cluster.Leader) error {
	return l.call(ctx, laws.Engine, func() error { return l.world.store.Resign(context.Background(), term) })
}

func (l *link) MarkUnused(ctx context.Context, term cluster.Leader, hashes []cluster.Hash) (mark int64, err error) {
	err = l.call(ctx, laws.Engine, func() (err error) {
		mark, err = l.world.store.MarkUnused(context.Background(), term, hashes)
		return err
	})
	return mark, err
}

func (l *link) Collect(ctx context.Context, term cluster.Leader, mark int64, hashes []cluster.Hash) (collected int, err error) {
	err = l.call(ctx, laws.Engine, func() (err error) {
		collected, err = l.world.store.Collect(context.Background(), term, mark, hashes)
		return err
	})
	return collected, err
}

// Commit is edge/store's: several transactions of some changes each, which may
// come in another order, be lost and be written one by one. It ends with the
// first that has no outcome. All of it was decided before: what the engine is told
// meanwhile changes none of it.
func (l *link) Commit(ctx context.Context, term cluster.Leader, changes []schedule.Change) (events []cluster.Event, err error) {
	decided := *l
	chunks := slices.Collect(slices.Chunk(changes, l.world.plan.chunk))
	var left error
	for _, i := range l.world.rand.Perm(len(chunks)) {
		var written []cluster.Event
		err := decided.call(ctx, laws.Engine, func() (err error) {
			if l.world.planted.unguard {
				term, _ = l.world.store.Leader(context.Background())
			}
			written, err = l.world.store.Commit(context.Background(), term, chunks[i])
			return err
		})
		if err != nil && !errors.Is(err, cluster.ErrConflict) {
			return events, err
		}
		events, left = append(events, written...), cmp.Or(left, err)
	}
	return events, left
}

// The operators' calls.

func (l *link) Unit(ctx context.Context, name cluster.UnitName) (u cluster.Unit, asOf int64, err error) {
	err = l.call(ctx, laws.API, func() (err error) {
		u, asOf, err = l.world.store.Unit(context.Background(), name)
		return err
	})
	return u, asOf, err
}

func (l *link) PutUnit(ctx context.Context, unit cluster.Unit, text string) (put cluster.Unit, err error) {
	err = l.call(ctx, laws.API, func() (err error) {
		put, err = l.world.store.PutUnit(context.Background(), unit, text)
		return err
	})
	return put, err
}

func (l *link) DeleteUnit(ctx context.Context, name cluster.UnitName, revision int64) error {
	return l.call(ctx, laws.API, func() error { return l.world.store.DeleteUnit(context.Background(), name, revision) })
}

func (l *link) Labels(ctx context.Context, id cluster.MachineID) (labels cluster.Labels, err error) {
	err = l.call(ctx, laws.API, func() (err error) {
		labels, err = l.world.store.Labels(context.Background(), id)
		return err
	})
	return labels, err
}

func (l *link) PutLabels(ctx context.Context, labels cluster.Labels) (put cluster.Labels, err error) {
	err = l.call(ctx, laws.API, func() (err error) {
		put, err = l.world.store.PutLabels(context.Background(), labels)
		return err
	})
	return put, err
}
