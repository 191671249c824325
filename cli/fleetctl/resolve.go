package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// order is what one argument of submit, load or start asks for.
type order struct {
	name   cluster.UnitName
	path   string    // where the argument says that the file is
	stored *api.Unit // as the cluster has it; nil for a new unit
	text   *string   // what to store; nil to leave what is stored
}

// resolver finds the text of each unit in fleet's order: the cluster, a file, the
// template in the cluster, the template's file beside the path.
type resolver struct {
	s       *session
	replace bool
	desired cluster.Desired
	stored  map[cluster.UnitName]api.Unit
	texts   map[cluster.UnitName]string // of templates in the cluster
	files   map[string]*file
	shown   map[[2]cluster.Hash]bool // differences that have been shown
}

// file is a unit file on this machine; text is nil where there is none.
type file struct {
	text *string
	err  error
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
		stored: map[cluster.UnitName]api.Unit{}, texts: map[cluster.UnitName]string{}, files: map[string]*file{},
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
	return orders, firstOf(faults)
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
	o := order{name: name, path: path}
	if stored, known := r.stored[name]; known {
		o.stored = &stored
		err := r.compare(ctx, &o)
		return o, err
	}
	template, instance := name.Template()
	beside := filepath.Join(filepath.Dir(path), string(template))
	if own := r.file(path); own.text != nil || own.err != nil {
		o.text = own.text
		return o, own.err
	}
	if _, known := r.stored[template]; instance && known {
		text, err := r.templateText(ctx, template)
		o.text = &text
		return o, err
	}
	if instance {
		if own := r.file(beside); own.text != nil || own.err != nil {
			o.text = own.text
			return o, own.err
		}
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

func (r *resolver) templateText(ctx context.Context, template cluster.UnitName) (string, error) {
	if text, known := r.texts[template]; known {
		return text, nil
	}
	answer, err := r.s.Unit(ctx, template)
	if err == nil {
		r.texts[template] = answer.Unit.Text
	}
	return answer.Unit.Text, err
}

// file reads and checks a file once, however many instances it stands for.
func (r *resolver) file(path string) *file {
	if f, known := r.files[path]; known {
		return f
	}
	f := &file{}
	r.files[path] = f
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f
	}
	if err != nil {
		f.err = fmt.Errorf("read the unit's file: %w", err)
		return f
	}
	parsed, err := unitfile.Parse(path, text)
	if err != nil {
		f.err = err
		return f
	}
	for _, warning := range parsed.Warnings() {
		r.s.warn("%s", warning)
	}
	f.text = &text
	return f
}

// readFile reads no more than a little over what is allowed.
func readFile(path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, unitfile.MaxTextBytes+1))
	return string(text), err
}
