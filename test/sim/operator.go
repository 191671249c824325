package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/role/runtime"
	"argosy/test/sim/laws"
)

// operate is one operator, who now and then wants something else of some unit,
// until the storm is over. What is wanted is read and written through some
// member, as role/registry does it.
func (w *World) operate(on runtime.Runtime) {
	ctx := context.Background() // nobody calls an operator off
	for {
		if runtime.Sleep(ctx, on, 1+time.Duration(w.rand.Int64N(int64(w.plan.pace)))) != nil || w.over() {
			return
		}
		member := w.hosts[w.rand.IntN(w.plan.members)]
		if !member.up {
			continue
		}
		l := &link{world: w, on: on, net: &member.net, id: member.id}
		name := w.plan.names[w.rand.IntN(len(w.plan.names))]
		switch pick := w.rand.IntN(20); {
		case pick < 2:
			w.destroy(ctx, l, name)
		case pick < 4:
			w.label(ctx, l, w.hosts[w.rand.IntN(len(w.hosts))])
		default:
			w.set(ctx, l, name)
		}
	}
}

// attempts is how often a change that lost its guard is made anew.
const attempts = 8

// set changes what is wanted of a unit, and makes it where it is not there.
func (w *World) set(ctx context.Context, l *link, name cluster.UnitName) {
	change := w.drawChange(name)
	w.making[name]++
	defer func() { w.making[name]-- }()
	for range attempts {
		stored, asOf, err := l.Unit(ctx, name)
		if errors.Is(err, cluster.ErrNotFound) {
			stored, err = cluster.Unit{Name: name, Generation: asOf}, nil
		}
		if err != nil {
			return
		}
		next := change(stored)
		next.Generation, next.At = stored.Generation+1, l.on.Now()
		put, err := l.PutUnit(ctx, next, w.texts[next.Hash])
		if errors.Is(err, cluster.ErrConflict) {
			continue
		}
		if w.planted.optimist && err != nil {
			put, err = next, nil
		}
		if err == nil {
			w.see(laws.Acknowledged{At: w.now(), Unit: name, Revision: put.Revision, Generation: put.Generation,
				Hash: put.Hash, Wanted: laws.Wanted(put.Desired)})
		}
		return
	}
}

// drawChange draws a new text, another desired state, or another start of the same.
func (w *World) drawChange(name cluster.UnitName) func(cluster.Unit) cluster.Unit {
	r := w.rand
	hash := w.drawText(name)
	desired := []cluster.Desired{cluster.Launched, cluster.Launched, cluster.Launched, cluster.Loaded, cluster.Inactive}[r.IntN(5)]
	kind := r.IntN(3)
	return func(u cluster.Unit) cluster.Unit {
		switch {
		case u.Revision == 0:
			u.Hash, u.Desired = hash, cluster.Launched
		case kind == 0:
			u.Hash = hash
		case kind == 1:
			u.Desired = desired
		default:
			u.Desired = cluster.Launched
		}
		return u
	}
}

// destroy takes a unit away, but not while somebody else is about to make it: of two
// who make a unit at once, with an end between them, both give it the same
// generation. That is known, and not repaired yet.
func (w *World) destroy(ctx context.Context, l *link, name cluster.UnitName) {
	if w.making[name] > 0 {
		return
	}
	for range attempts {
		stored, _, err := l.Unit(ctx, name)
		if w.making[name] > 0 {
			return
		}
		if err == nil {
			err = l.DeleteUnit(ctx, name, stored.Revision)
		}
		switch {
		case err == nil:
			w.see(laws.Acknowledged{At: w.now(), Unit: name, Revision: stored.Revision + 1, Generation: stored.Generation + 1, Destroyed: true})
			return
		case !errors.Is(err, cluster.ErrConflict):
			return
		}
	}
}

// label says something of a machine, or takes it back.
func (w *World) label(ctx context.Context, l *link, h *host) {
	set := map[string]string{}
	if w.rand.IntN(3) > 0 {
		set[keys[w.rand.IntN(len(keys))]] = values[w.rand.IntN(len(values))]
	}
	stored, err := l.Labels(ctx, h.id)
	if err != nil && !errors.Is(err, cluster.ErrNotFound) {
		return
	}
	if len(set) == 0 && stored.Revision == 0 {
		return
	}
	stored.Machine, stored.Set = h.id, set
	_, _ = l.PutLabels(ctx, stored) // one who does not hear back leaves it at that
}

var (
	keys   = []string{"region", "disk"}
	values = []string{"x", "y", "z"}
)

func drawMetadata(r *rand.Rand) map[string]string {
	drawn := map[string]string{}
	for _, key := range keys {
		if r.IntN(3) > 0 {
			drawn[key] = values[r.IntN(len(values))]
		}
	}
	return drawn
}

// behaviours are what units do when they are started.
var behaviours = []string{
	"ExecStart=/bin/sleep inf",
	"ExecStart=/bin/sleep inf",
	"ExecStart=/bin/sleep inf",
	"ExecStartPre=/bin/sleep 1\nExecStart=/bin/sleep inf",
	"ExecStart=/bin/sleep inf\nExecStop=/bin/sleep 1",
	"ExecStart=/bin/true",
	"Type=oneshot\nExecStart=/bin/true",
	"ExecStart=/bin/false",
}

// drawText draws what a unit is and asks for, and returns its text's hash.
func (w *World) drawText(name cluster.UnitName) cluster.Hash {
	does := behaviours[w.rand.IntN(len(behaviours))]
	wish := w.drawWish(name)
	wish.Service = []string{does}
	wish.Fenced = !wish.Global && w.drawFenced(name) // refused together
	text := wish.Text()
	hash := cluster.HashOf(text)
	w.wishes[hash], w.texts[hash] = wish, text
	return hash
}

// drawWish draws one kind of requirement at a time: that is how people write them,
// and how they stay able to be met.
func (w *World) drawWish(name cluster.UnitName) (wish laws.Wish) {
	r := w.rand
	switch r.IntN(16) {
	case 0, 1:
		wish.Metadata = drawMetadata(r)
	case 2:
		wish.Unlike = drawMetadata(r)
	case 3:
		wish.Machine = string(w.hosts[r.IntN(len(w.hosts))].id[:8])
	case 4:
		if peer := w.plan.names[r.IntN(len(w.plan.names))]; peer != name {
			wish.With = []cluster.UnitName{peer}
		}
	case 5, 6:
		wish.Conflicts = []string{w.drawGlob()}
	case 7:
		wish.Replaces = []string{w.drawGlob()}
	case 8:
		wish.Global = !w.plan.rarely || r.IntN(50) == 0
		if r.IntN(2) == 0 {
			wish.Metadata = drawMetadata(r)
		}
	case 9, 10:
		wish.Memory = 1 + r.Int64N(3)
	case 11:
		wish.GPUs = 1
	case 12:
		if name.Instance() != "" {
			wish.Most = 1 + r.IntN(2)
		}
	}
	return wish
}

// drawFenced says whether a unit is to run once at most: some always are, one in ten
// now and then.
func (w *World) drawFenced(name cluster.UnitName) bool {
	which := slices.Index(w.plan.names, name) % 10
	return which < w.plan.fenced || which == w.plan.fenced && w.plan.fenced > 0 && w.rand.IntN(2) == 0
}

func (w *World) drawGlob() string {
	name := w.plan.names[w.rand.IntN(len(w.plan.names))]
	if w.rand.IntN(2) == 0 && name.Instance() != "" {
		return fmt.Sprintf("%s@*.service", name.Prefix())
	}
	return string(name)
}
