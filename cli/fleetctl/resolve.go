package fleetctl

import (
	"context"
	"errors"
	"fmt"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// order is what one argument of submit, load or start asks for.
type order struct {
	name   cluster.UnitName
	path   string           // where the argument says that the file is
	stored *api.Unit        // as the cluster has it; nil for a new unit
	unit   *unitfile.Bundle // what to store; nil to leave what is stored

	desired cluster.Desired // how far it is to come
}

// change is the order as a request. A file goes over what was known when it was
// chosen, and over nothing else.
func (o order) change(desired cluster.Desired) api.UnitChange {
	change := api.Storing(o.unit, desired)
	if o.unit != nil {
		var known int64
		if o.stored != nil {
			known = o.stored.Generation
		}
		change.IfGeneration = &known
	}
	return change
}

// resolver finds each unit in fleet's order: in the cluster, in a file, its
// template in the cluster, its template's file beside the path; see unit_files.go.
type resolver struct {
	s       *session
	replace bool
	desired cluster.Desired
	stored  map[cluster.UnitName]api.Unit
	units   map[cluster.UnitName]unitfile.Bundle // templates in the cluster
	files   map[string]found
	shown   map[[2]cluster.Hash]bool // differences that have been shown
}

// resolve makes orders of arguments. It asks the cluster once for all of them.
func (s *session) resolve(ctx context.Context, args []string, desired cluster.Desired, replace bool) ([]order, error) {
	names, err := unitsNamed(args)
	if err != nil {
		return nil, err
	}
	asked := names
	for _, name := range names {
		if template, is := name.Template(); is {
			asked = append(asked, template)
		}
	}
	answer, err := s.UnitsNamed(ctx, asked)
	if err != nil {
		return nil, err
	}
	s.note(answer.Freshness)
	r := resolver{
		s: s, replace: replace, desired: desired,
		stored: map[cluster.UnitName]api.Unit{}, units: map[cluster.UnitName]unitfile.Bundle{}, files: map[string]found{},
		shown: map[[2]cluster.Hash]bool{},
	}
	for _, unit := range answer.Units {
		r.stored[unit.Name] = unit
	}
	var orders []order
	var faults []error
	seen := map[cluster.UnitName]bool{}
	for _, arg := range args {
		path := withSuffix(arg)
		name, _ := unitNamed(arg) // checked above
		if seen[name] {
			continue
		}
		seen[name] = true
		o, err := r.order(ctx, name, path)
		orders, faults = append(orders, o), append(faults, err)
	}
	// Nothing is changed when one unit can't even be found or read.
	if err := firstOf(faults); err != nil {
		return nil, err
	}
	return r.withInstances(ctx, orders)
}

// firstOf joins errors into one that has the kind of the first.
func firstOf(faults []error) error {
	var first error
	for _, err := range faults {
		switch {
		case err == nil:
		case first == nil:
			first = err
		default:
			first = fmt.Errorf("%w\n%v", first, errors.Unwrap(explain(err)))
		}
	}
	return first
}

func (r *resolver) order(ctx context.Context, name cluster.UnitName, path string) (order, error) {
	o := order{name: name, path: path, desired: r.desired}
	if r.replace && name.IsTemplate() {
		o.desired = cluster.Inactive // its instances come further
	}
	if stored, known := r.stored[name]; known {
		o.stored = &stored
		err := r.compare(ctx, &o)
		return o, err
	}
	if f := r.find(ctx, name, path); f.unit != nil || f.err != nil {
		o.unit = f.unit
		return o, f.err
	}
	_, err := r.s.Unit(ctx, name) // for the names it may be mistaken for
	if err == nil {
		return o, fmt.Errorf("unit %s: it came into the cluster this moment: try again", name)
	}
	if errors.Is(err, cluster.ErrNotFound) {
		err = fmt.Errorf("%w in the cluster, and there is no file %s", err, path)
	}
	return o, err
}
