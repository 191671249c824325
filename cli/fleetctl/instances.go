package fleetctl

import (
	"context"
	"path/filepath"

	"argosy/core/api"
	"argosy/core/cluster"
)

// withInstances adds to the orders, for each template among them that is to be
// replaced, all stored instances that have become older than it. They come no
// further than they are: a new text starts nothing that is stopped.
func (r *resolver) withInstances(ctx context.Context, orders []order) ([]order, error) {
	named := map[cluster.UnitName]bool{}
	for _, o := range orders {
		named[o.name] = true
	}
	all := orders
	for _, template := range orders {
		if !r.replace || !template.name.IsTemplate() {
			continue
		}
		answer, err := r.s.UnitsBeginning(ctx, api.Beginning{Prefix: template.name.Prefix() + "@"})
		if err != nil {
			return nil, err
		}
		left := 0
		for _, unit := range answer.Units {
			if of, _ := unit.Name.Template(); of != template.name || named[unit.Name] {
				continue
			}
			o := order{name: unit.Name, path: filepath.Join(filepath.Dir(template.path), string(unit.Name)), stored: &unit, desired: unit.Desired}
			newer := r.newer(ctx, &o)
			switch {
			case newer.err != nil:
				return nil, newer.err
			case newer.unit == nil || cluster.HashOf(newer.unit.Content()) == unit.Hash:
			case beyond(unit.Desired, r.desired):
				left++
			default:
				o.unit = newer.unit
				all = append(all, o)
			}
		}
		if left > 0 {
			r.s.warn("Instances of %s that are on machines and not replaced: %d (start --replace does it)", template.name, left)
		}
	}
	return all, nil
}
