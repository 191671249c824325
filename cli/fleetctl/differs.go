package fleetctl

import (
	"context"
	"fmt"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// newer is what the user may want in place of what is stored of a unit: its own
// file, its template's file beside that, or its template in the cluster.
func (r *resolver) newer(ctx context.Context, o *order) found {
	if own := r.own(o.name, o.path); own.there() {
		return own
	}
	if beside := r.beside(o.name, o.path); beside.there() {
		return beside
	}
	template, instance := o.name.Template()
	if stored, known := r.stored[template]; instance && known && stored.Hash != o.stored.Hash {
		return r.inCluster(ctx, o.name, o.path)
	}
	return found{}
}

// compare looks whether there is a newer file of a unit that is stored. It is
// taken with --replace; otherwise the difference is shown.
func (r *resolver) compare(ctx context.Context, o *order) error {
	newer := r.newer(ctx, o)
	if newer.err != nil {
		if r.replace {
			return newer.err
		}
		return nil // the stored one is what is asked for
	}
	if newer.unit == nil || cluster.HashOf(newer.unit.Content()) == o.stored.Hash {
		return nil
	}
	switch {
	case !r.replace:
		r.s.warn("Unit %s in registry differs from %s (--replace takes that one)", o.name, newer.where)
		return r.show(ctx, o, *newer.unit)
	case beyond(o.stored.Desired, r.desired):
		r.s.warn("Unit %s is %s: it is not replaced (start --replace does it)", o.name, o.stored.Desired)
	default:
		o.unit = newer.unit
	}
	return nil
}

// show prints the way from a unit as it is stored to another, once for however
// many instances of a template.
func (r *resolver) show(ctx context.Context, o *order, unit unitfile.Bundle) error {
	both := [2]cluster.Hash{o.stored.Hash, cluster.HashOf(unit.Content())}
	if r.shown[both] {
		return nil
	}
	r.shown[both] = true
	answer, err := r.s.Unit(ctx, o.name)
	if err != nil {
		return err
	}
	stored := answer.Unit.Bundle()
	before, after := stored.Text, unit.Text
	if len(stored.DropIns)+len(unit.DropIns) > 0 {
		before, after = stored.Print(string(o.name)), unit.Print(string(o.name))
	}
	_, err = fmt.Fprint(r.s.err, unified("in registry", "with --replace", before, after))
	return err
}

// beyond says that a unit is further than a command is about.
func beyond(stored, desired cluster.Desired) bool {
	steps := map[cluster.Desired]int{cluster.Inactive: 0, cluster.Loaded: 1, cluster.Launched: 2}
	return steps[stored] > steps[desired]
}
