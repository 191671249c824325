package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Folders is where fleet keeps its own on a machine. All lie in /run: a reboot
// forgets them, and what was started with them.
type Folders struct {
	Units    string // the units' files
	Links    string // where systemd looks for units
	Quadlets string // where Podman's generator looks for Quadlet files
	Started  string // records of what was started
	Lease    string // the file with the machine's lease
	Fence    string // the drop-in of all units with OnPartition=stop
	Tokens   string // their fencing tokens

	Signatures  string // of the units' files, one file a unit
	Secrets     string // the secrets that units were given: for root alone
	Credentials string // the drop-ins by which systemd finds them
}

// DefaultFolders are those of a machine's fleetd. systemd looks into
// /etc/systemd/system before /run/systemd/system, see systemd.unit(5); Podman's
// generator reads /run/containers/systemd first, see podman-systemd.unit(5).
func DefaultFolders() Folders {
	return Folders{
		Units:    "/run/fleet/units",
		Links:    "/run/systemd/system",
		Quadlets: "/run/containers/systemd",
		Started:  "/run/fleet/started",
		Lease:    "/run/fleet/lease",
		Fence:    "/run/fleet/fence/unit.conf",
		Tokens:   "/run/fleet/fence/tokens",

		Signatures:  "/run/fleet/signatures",
		Secrets:     "/run/fleet/secrets",
		Credentials: "/run/fleet/credentials",
	}
}

// text is where the unit's own file lies, dropIns the folder of its drop-ins.
func (f Folders) text(unit cluster.UnitName) string { return filepath.Join(f.Units, string(unit)) }
func (f Folders) dropIns(unit cluster.UnitName) string {
	return f.text(unit) + ".d"
}
func (f Folders) signatures(unit cluster.UnitName) string {
	return filepath.Join(f.Signatures, string(unit))
}

// link is where the unit's file is looked for, and behind .d its drop-ins.
func (f Folders) link(unit cluster.UnitName) string {
	if unit.Quadlet() {
		return filepath.Join(f.Quadlets, string(unit))
	}
	return filepath.Join(f.Links, string(unit))
}

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

// placed is one file of a unit: where it lies, and the link to it where it is
// looked for.
type placed struct{ file, link string }

func (f *Files) placed(unit cluster.UnitName) placed {
	return placed{f.folders.text(unit), f.folders.link(unit)}
}

func (f *Files) dropIn(unit cluster.UnitName, name string) placed {
	return placed{filepath.Join(f.folders.dropIns(unit), name), filepath.Join(f.folders.link(unit)+".d", name)}
}

// Write puts a unit's file and its drop-ins where systemd or Podman's generator
// finds them. Of each, a reader sees the old text or the new one, nothing
// between. Where it ends half-way, List shows another hash than the content's.
func (f *Files) Write(unit cluster.UnitName, content string) error {
	if _, err := cluster.ParseUnitName(string(unit)); err != nil {
		return err // the name becomes a path
	}
	bundle, err := unitfile.ReadBundle(content)
	if err != nil {
		return fmt.Errorf("write %s: %w", unit, err)
	}
	own := f.placed(unit)
	if err := own.free(); err != nil {
		return fmt.Errorf("write %s: %w", unit, err)
	}
	if err := errors.Join(f.equip(unit, bundle), f.keepSignatures(unit, bundle.Signatures)); err != nil {
		return fmt.Errorf("write %s: %w", unit, err)
	}
	// The text is there first and linked last: what has a text is found again.
	if err := replace(own.file, []byte(bundle.Text)); err != nil {
		return fmt.Errorf("write %s: %w", unit, err)
	}
	if err := f.writeDropIns(unit, bundle.DropIns); err != nil {
		return fmt.Errorf("write %s: %w", unit, err)
	}
	if err := own.tie(); err != nil {
		return fmt.Errorf("write %s: %w", unit, err)
	}
	return nil
}

// keepSignatures keeps what List and Read need: systemd reads none of it.
func (f *Files) keepSignatures(unit cluster.UnitName, signatures string) error {
	if signatures == "" {
		return absent(os.Remove(f.folders.signatures(unit)))
	}
	return replace(f.folders.signatures(unit), []byte(signatures))
}

// writeDropIns has these drop-ins of a unit and no others.
func (f *Files) writeDropIns(unit cluster.UnitName, dropIns []unitfile.DropIn) error {
	if err := f.removeDropIns(unit, func(name string) bool {
		return slices.ContainsFunc(dropIns, func(d unitfile.DropIn) bool { return d.Name == name })
	}); err != nil {
		return err
	}
	for _, d := range dropIns {
		at := f.dropIn(unit, d.Name)
		if err := at.free(); err != nil {
			return err
		}
		if err := errors.Join(replace(at.file, []byte(d.Text)), at.tie()); err != nil {
			return err
		}
	}
	return nil
}

// removeDropIns takes a unit's drop-ins away, but for those that stay, and the
// folders with the last of them. What others have put there stays.
func (f *Files) removeDropIns(unit cluster.UnitName, stays func(name string) bool) error {
	links, folder := f.folders.link(unit)+".d", f.folders.dropIns(unit)
	for _, name := range namesIn(links) {
		if at := f.dropIn(unit, name); at.tied() && !stays(name) {
			if err := os.Remove(at.link); err != nil {
				return err
			}
		}
	}
	for _, name := range namesIn(folder) {
		if !stays(name) {
			if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
				return err
			}
		}
	}
	for _, empty := range []string{links, folder} {
		if _, err := os.Lstat(empty); err != nil || len(namesIn(empty)) > 0 {
			continue
		}
		if err := absent(os.Remove(empty)); err != nil {
			return err
		}
	}
	return nil
}

// namesIn are the files in a folder, none where there is no folder.
func namesIn(folder string) (names []string) {
	entries, _ := os.ReadDir(folder) // what cannot be read cannot be removed either: that is told
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// free says whether the place of the link is free or ours.
func (p placed) free() error {
	_, err := os.Lstat(p.link)
	if err == nil && !p.tied() {
		return fmt.Errorf("%s exists and is not fleet's", p.link)
	}
	return absent(err)
}

func (p placed) tied() bool {
	target, err := os.Readlink(p.link)
	return err == nil && target == p.file
}

// tie links the file to where it is looked for.
func (p placed) tie() error {
	if p.tied() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(p.link), 0o755); err != nil {
		return err
	}
	return os.Symlink(p.file, p.link)
}

// untie takes the link away, and its folder with the last of them.
func (p placed) untie() error {
	err := os.Remove(p.link)
	if folder := filepath.Dir(p.link); err == nil && len(namesIn(folder)) == 0 {
		err = absent(os.Remove(folder))
	}
	return err
}

// Remove takes a unit's files, links and record away, if they are there. What
// others have put under the unit's name stays.
func (f *Files) Remove(unit cluster.UnitName) error {
	var err error
	own := f.placed(unit)
	if own.tied() {
		err = os.Remove(own.link)
	}
	none := func(string) bool { return false }
	// The text goes last: while it is there, the rest is found again.
	err = errors.Join(err, f.unbind(unit), f.discredit(unit), f.removeDropIns(unit, none), f.Forget(unit), f.keepSignatures(unit, ""))
	if err == nil {
		err = absent(os.Remove(own.file))
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", unit, err)
	}
	return nil
}

// List returns the units that have a text here with the hash of all their files,
// empty where one of them is not found where it is looked for.
func (f *Files) List() (map[cluster.UnitName]cluster.Hash, error) {
	names, err := f.folders.names()
	if err != nil {
		return nil, err
	}
	found := make(map[cluster.UnitName]cluster.Hash, len(names))
	for _, name := range names {
		if found[name], err = f.hash(name); err != nil {
			return nil, fmt.Errorf("read the files of %s: %w", name, err)
		}
	}
	return found, nil
}

// Read returns what was written of a unit, as far as it is still there.
func (f *Files) Read(unit cluster.UnitName) (content string, err error) {
	bundle, _, err := f.bundle(unit)
	if err != nil {
		return "", fmt.Errorf("read the files of %s: %w", unit, err)
	}
	return bundle.Content(), nil
}

// bundle reads a unit's files, and says whether each is found where it is looked for.
func (f *Files) bundle(unit cluster.UnitName) (bundle unitfile.Bundle, whole bool, err error) {
	own := f.placed(unit)
	text, err := os.ReadFile(own.file)
	if err != nil {
		return bundle, false, err
	}
	bundle.Text, whole = string(text), own.tied()
	for _, name := range namesIn(f.folders.dropIns(unit)) {
		at := f.dropIn(unit, name)
		text, err := os.ReadFile(at.file)
		if err != nil {
			return bundle, false, err
		}
		bundle.DropIns = append(bundle.DropIns, unitfile.DropIn{Name: name, Text: string(text)})
		whole = whole && at.tied()
	}
	signatures, err := os.ReadFile(f.folders.signatures(unit))
	bundle.Signatures = string(signatures)
	return bundle, whole, absent(err)
}

func (f *Files) hash(unit cluster.UnitName) (cluster.Hash, error) {
	bundle, whole, err := f.bundle(unit)
	if err != nil {
		return "", err
	}
	asks, err := wants(unit, bundle)
	if !whole || err != nil || asks.Fenced != f.Fenced(unit) || !f.credited(unit, asks.Secrets) {
		return "", nil //nolint:nilerr // Write tells of it
	}
	return cluster.HashOf(bundle.Content()), nil
}

// replace writes a file whole or not at all. Its folder is made when it is not
// there. /run is memory: there is nothing to sync.
func replace(path string, content []byte) error { return replaceAs(path, content, 0o644) }

func replaceAs(path string, content []byte, mode fs.FileMode) (err error) {
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
	if err := errors.Join(err, file.Chmod(mode), file.Close()); err != nil {
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
