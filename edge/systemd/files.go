package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"argosy/core/cluster"
)

// Folders is where fleet keeps its own on a machine. All lie in /run: a reboot
// forgets them, and what was started with them.
type Folders struct {
	Units   string // the units' texts
	Links   string // where systemd looks for units
	Started string // records of what was started
	Lease   string // the file with the machine's lease
}

// DefaultFolders are those of a machine's fleetd. systemd looks into
// /etc/systemd/system before /run/systemd/system, see systemd.unit(5).
func DefaultFolders() Folders {
	return Folders{
		Units:   "/run/fleet/units",
		Links:   "/run/systemd/system",
		Started: "/run/fleet/started",
		Lease:   "/run/fleet/lease",
	}
}

func (f Folders) text(unit cluster.UnitName) string { return filepath.Join(f.Units, string(unit)) }
func (f Folders) link(unit cluster.UnitName) string { return filepath.Join(f.Links, string(unit)) }

// names are the units that have a text.
func (f Folders) names() ([]cluster.UnitName, error) {
	entries, err := os.ReadDir(f.Units)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list fleet's units: %w", err)
	}
	var names []cluster.UnitName
	for _, entry := range entries {
		if name, err := cluster.ParseUnitName(entry.Name()); err == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// Files is fleet's own part of a machine's disk.
type Files struct{ folders Folders }

// NewFiles returns the files in these folders, which are made when needed.
func NewFiles(folders Folders) *Files { return &Files{folders} }

// Write puts a unit's text where systemd finds it. A reader sees the old text
// or the new one, nothing between.
func (f *Files) Write(unit cluster.UnitName, text string) error {
	if _, err := cluster.ParseUnitName(string(unit)); err != nil {
		return err // the name becomes a path
	}
	if err := f.linkable(unit); err != nil {
		return err
	}
	if err := replace(f.folders.text(unit), []byte(text)); err != nil {
		return fmt.Errorf("write %s: %w", unit, err)
	}
	if f.linked(unit) {
		return nil
	}
	if err := os.MkdirAll(f.folders.Links, 0o755); err != nil {
		return fmt.Errorf("link %s: %w", unit, err)
	}
	if err := os.Symlink(f.folders.text(unit), f.folders.link(unit)); err != nil {
		return fmt.Errorf("link %s: %w", unit, err)
	}
	return nil
}

// linkable says whether the place of the unit's link is free or ours.
func (f *Files) linkable(unit cluster.UnitName) error {
	_, err := os.Lstat(f.folders.link(unit))
	if err == nil && !f.linked(unit) {
		return fmt.Errorf("%s exists and is not fleet's", f.folders.link(unit))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("link %s: %w", unit, err)
	}
	return nil
}

func (f *Files) linked(unit cluster.UnitName) bool {
	target, err := os.Readlink(f.folders.link(unit))
	return err == nil && target == f.folders.text(unit)
}

// Remove takes a unit's link, text and record away, if they are there. What
// others have put under the unit's name stays.
func (f *Files) Remove(unit cluster.UnitName) error {
	var err error
	if f.linked(unit) {
		err = os.Remove(f.folders.link(unit))
	}
	// The text goes last: while it is there, the rest is found again.
	err = errors.Join(err, f.Forget(unit))
	if err == nil {
		err = absent(os.Remove(f.folders.text(unit)))
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", unit, err)
	}
	return nil
}

// List returns the units that have a text here with its hash, empty where
// systemd cannot find it.
func (f *Files) List() (map[cluster.UnitName]cluster.Hash, error) {
	names, err := f.folders.names()
	if err != nil {
		return nil, err
	}
	found := make(map[cluster.UnitName]cluster.Hash, len(names))
	for _, name := range names {
		text, err := os.ReadFile(f.folders.text(name))
		if err != nil {
			return nil, fmt.Errorf("read the text of %s: %w", name, err)
		}
		found[name] = cluster.HashOf(string(text))
		if !f.linked(name) {
			found[name] = ""
		}
	}
	return found, nil
}

// replace writes a file whole or not at all. Its folder is made when it is not
// there. /run is memory: there is nothing to sync.
func replace(path string, content []byte) (err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".new-*") // a unit's name may be as long as a file's: no room for a suffix
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, absent(os.Remove(file.Name())))
		}
	}()
	_, err = file.Write(content)
	if err := errors.Join(err, file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// absent passes over that a file is not there.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
