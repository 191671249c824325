package fleetctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/unitfile"
)

// found is a unit file with its drop-ins and where it was found.
type found struct {
	unit  *unitfile.Bundle // nil: there is none
	where string           // for people
	err   error
}

// there says that something was found, be it something that cannot be read.
func (f found) there() bool { return f.unit != nil || f.err != nil }

// find looks for a unit that the cluster does not have.
func (r *resolver) find(ctx context.Context, name cluster.UnitName, path string) found {
	if own := r.own(name, path); own.there() {
		return own
	}
	template, instance := name.Template()
	if _, known := r.stored[template]; instance && known {
		return r.inCluster(ctx, name, path)
	}
	return r.beside(name, path)
}

// own is the unit's own file. Drop-ins of its template count as well, and where
// both folders have a file of one name, the unit's: as systemd.unit(5) has it.
func (r *resolver) own(name cluster.UnitName, path string) found {
	return r.read(path, templatePath(name, path), path)
}

// beside is the file of an instance's template, beside its own.
func (r *resolver) beside(name cluster.UnitName, path string) found {
	if at := templatePath(name, path); at != "" {
		return r.read(at, at, path)
	}
	return found{}
}

// templatePath is where an instance's template would lie, "" for other units.
func templatePath(name cluster.UnitName, path string) string {
	template, instance := name.Template()
	if !instance {
		return ""
	}
	return filepath.Join(filepath.Dir(path), string(template))
}

// inCluster is an instance's template in the cluster with its drop-ins there, and
// those of the instance's own folder.
func (r *resolver) inCluster(ctx context.Context, name cluster.UnitName, path string) found {
	template, _ := name.Template()
	f := found{where: fmt.Sprintf("its template %s there", template)}
	stored, known := r.units[template]
	if !known {
		answer, err := r.s.Unit(ctx, template)
		if err != nil {
			f.err = err
			return f
		}
		stored = answer.Unit.Bundle()
		r.units[template] = stored
	}
	files, theirs := map[string]unitfile.NamedText{}, []string{string(template)}
	for _, d := range stored.DropIns {
		files[d.Name] = unitfile.NamedText{Name: string(template) + ".d/" + d.Name, Text: d.Text}
	}
	own := map[string]unitfile.NamedText{}
	if f.err = readDropIns(path+".d", own); f.err != nil {
		return f
	}
	for _, d := range stored.DropIns {
		if _, replaced := own[d.Name]; !replaced {
			theirs = append(theirs, files[d.Name].Name)
		}
	}
	maps.Copy(files, own)
	signatures, err := signing.Only(stored.Signatures, theirs...)
	if f.err = err; err == nil {
		f.unit, f.err = r.check(unitfile.NamedText{Name: string(template), Text: stored.Text}, files)
	}
	if f.err == nil {
		f.unit.Signatures, f.err = signaturesOf(signatures, paths(own)...)
	}
	return f
}

// read reads and checks a file with the drop-ins beside these paths, once however
// many instances it stands for.
func (r *resolver) read(path string, beside ...string) found {
	var folders []string
	for _, p := range beside {
		if _, err := os.Stat(p + ".d"); p != "" && err == nil {
			folders = append(folders, p+".d")
		}
	}
	key := strings.Join(append([]string{path}, folders...), "\x00")
	if f, known := r.files[key]; known {
		return f
	}
	f := r.readAll(path, folders)
	r.files[key] = f
	return f
}

func (r *resolver) readAll(path string, folders []string) found {
	f := found{where: "local unit file " + path}
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return found{}
	}
	if err != nil {
		f.err = fmt.Errorf("read the unit's file: %w", err)
		return f
	}
	files := map[string]unitfile.NamedText{}
	for _, folder := range folders {
		if f.err = readDropIns(folder, files); f.err != nil {
			return f
		}
	}
	if len(files) > 0 {
		f.where += " with its drop-ins"
	}
	if f.unit, f.err = r.check(unitfile.NamedText{Name: path, Text: text}, files); f.err != nil {
		return f
	}
	f.unit.Signatures, f.err = signaturesOf("", append([]string{path}, paths(files)...)...)
	return f
}

// readDropIns adds a folder's drop-ins to files, over those of the same name.
// What does not end in .conf is none, nor is a hidden file.
func readDropIns(folder string, files map[string]unitfile.NamedText) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the unit's drop-ins: %w", err)
	}
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(folder, entry.Name())
		if !strings.HasSuffix(name, ".conf") || name[0] == '.' {
			continue
		}
		if err := unitfile.CheckDropInName(name); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
		text, err := readFile(path)
		if err != nil {
			return fmt.Errorf("read the unit's drop-ins: %w", err)
		}
		files[name] = unitfile.NamedText{Name: path, Text: text}
	}
	return nil
}

// check parses a unit's file and drop-ins, tells what is odd about them and makes
// one of them.
func (r *resolver) check(unit unitfile.NamedText, files map[string]unitfile.NamedText) (*unitfile.Bundle, error) {
	whole := unitfile.Bundle{Text: unit.Text}
	var dropIns []unitfile.NamedText
	for _, name := range slices.Sorted(maps.Keys(files)) {
		dropIns = append(dropIns, files[name])
		whole.DropIns = append(whole.DropIns, unitfile.DropIn{Name: name, Text: files[name].Text})
	}
	parsed, err := unitfile.ParseAll(unit, dropIns...)
	if err != nil {
		return nil, err
	}
	for _, warning := range parsed.Warnings() {
		r.s.warn("%s", warning)
	}
	return &whole, nil
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
