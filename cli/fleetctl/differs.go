package fleetctl

import (
	"context"
	"fmt"
	"path/filepath"

	"argosy/core/cluster"
)

// newer is a text that a stored unit may have become older than.
type newer struct {
	text  *string // nil: there is none
	where string  // for people
	err   error
}

// newerText is what the user may want in place of a unit's stored text: its own
// file, its template's file beside that, or its template in the cluster.
func (r *resolver) newerText(ctx context.Context, o *order) newer {
	if own := r.file(o.path); own.text != nil || own.err != nil {
		return newer{own.text, "local unit file " + o.path, own.err}
	}
	template, instance := o.name.Template()
	if !instance {
		return newer{}
	}
	beside := filepath.Join(filepath.Dir(o.path), string(template))
	if own := r.file(beside); own.text != nil || own.err != nil {
		return newer{own.text, "local unit file " + beside, own.err}
	}
	if stored, known := r.stored[template]; known && stored.Hash != o.stored.Hash {
		text, err := r.templateText(ctx, template)
		return newer{&text, fmt.Sprintf("its template %s there", template), err}
	}
	return newer{}
}

// compare looks whether there is a newer text of a unit that is stored. It is
// taken with --replace; otherwise the difference is shown.
func (r *resolver) compare(ctx context.Context, o *order) error {
	newer := r.newerText(ctx, o)
	if newer.err != nil {
		if r.replace {
			return newer.err
		}
		return nil // the stored one is what is asked for
	}
	if newer.text == nil || cluster.HashOf(*newer.text) == o.stored.Hash {
		return nil
	}
	switch {
	case !r.replace:
		r.s.warn("Unit %s in registry differs from %s (--replace takes that one)", o.name, newer.where)
		return r.show(ctx, o, *newer.text)
	case beyond(o.stored.Desired, r.desired):
		r.s.warn("Unit %s is %s: it is not replaced (start --replace does it)", o.name, o.stored.Desired)
	default:
		o.text = newer.text
	}
	return nil
}

// show prints the way from a unit's stored text to another, once for however
// many instances of a template.
func (r *resolver) show(ctx context.Context, o *order, text string) error {
	both := [2]cluster.Hash{o.stored.Hash, cluster.HashOf(text)}
	if r.shown[both] {
		return nil
	}
	r.shown[both] = true
	stored, err := r.s.Unit(ctx, o.name)
	if err == nil {
		_, err = fmt.Fprint(r.s.err, unified("in registry", "with --replace", stored.Unit.Text, text))
	}
	return err
}

// beyond says that a unit is further than a command is about.
func beyond(stored, desired cluster.Desired) bool {
	steps := map[cluster.Desired]int{cluster.Inactive: 0, cluster.Loaded: 1, cluster.Launched: 2}
	return steps[stored] > steps[desired]
}
