// Package contexts keeps what a person needs to reach a cluster: a folder a context,
// with the members' addresses, a certificate and its key, and which context is in
// use. It is what `fleetctl login` writes and every fleetctl reads.
package contexts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Folder holds contexts: one folder each below contexts, and the name of the one in
// use in the file current. Only its owner can read it.
type Folder string

// Context is one cluster as one person.
type Context struct {
	Name    string
	Members []string // HOST:PORT of members' APIs, tried in turn
	// Doors are HOST:PORT at which members renew the certificate; none where it came
	// another way.
	Doors []string
	// Folder has the three files below, as a machine's folder of certificates does.
	Folder string
	// CAFile, CertFile and KeyFile are PEM.
	CAFile, CertFile, KeyFile string
}

const (
	mostBytes   = 64 << 10 // of a file of ours
	mostMembers = 64
)

var contextName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Default is the folder of the user who runs this: argosy below XDG_CONFIG_HOME, or
// below ~/.config.
func Default() (Folder, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find where contexts are kept: %w", err)
	}
	return Folder(filepath.Join(config, "argosy")), nil
}

// CheckName refuses what cannot be a context's name.
func CheckName(name string) error {
	if !contextName.MatchString(name) {
		return fmt.Errorf("%q is no context's name: expected 1 to 64 of a-z, 0-9 and ._-, beginning with a letter or digit", name)
	}
	return nil
}

func (f Folder) of(name string) string { return filepath.Join(string(f), "contexts", name) }
func (f Folder) current() string       { return filepath.Join(string(f), "current") }

// Load reads a context. It is fs.ErrNotExist where there is none of that name.
func (f Folder) Load(name string) (Context, error) {
	if err := CheckName(name); err != nil {
		return Context{}, err
	}
	c := Context{Name: name, Folder: f.of(name)}
	for file, at := range map[string]*string{"ca.crt": &c.CAFile, "person.crt": &c.CertFile, "person.key": &c.KeyFile} {
		*at = filepath.Join(f.of(name), file)
	}
	var err error
	c.Members, err = readMembers(filepath.Join(f.of(name), "members"))
	if errors.Is(err, fs.ErrNotExist) {
		return Context{}, fmt.Errorf("there is no context %q: log in, or see 'fleetctl context list': %w", name, fs.ErrNotExist)
	}
	if err == nil {
		c.Doors, err = readMembers(filepath.Join(f.of(name), "doors"))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return c, err
}

// readMembers reads HOST:PORT line by line; # begins a remark.
func readMembers(path string) ([]string, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	var members []string
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, mostBytes)
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := CheckMember(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		if len(members) == mostMembers {
			return nil, fmt.Errorf("%s:%d: more than %d members", path, number, mostMembers)
		}
		members = append(members, line)
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("%s:1: it names no member: expected HOST:PORT, one a line", path)
	}
	return members, lines.Err()
}

// CheckMember refuses what is not HOST:PORT.
func CheckMember(at string) error {
	host, port, err := net.SplitHostPort(at)
	number, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || number == 0 || host == "" || strings.ContainsAny(host, " /@?#") {
		return fmt.Errorf("%q is no HOST:PORT", at)
	}
	return nil
}

// read reads a small file.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, mostBytes+1))
	if err == nil && len(text) > mostBytes {
		err = fmt.Errorf("%s:1: larger than %d bytes", path, mostBytes)
	}
	return text, err
}

// Saved is what a context is made of.
type Saved struct {
	Members, Doors []string
	CA, Cert, Key  []byte // in PEM
}

// Save writes a context, in the place of one of that name, all of it or nothing.
func (f Folder) Save(name string, c Saved) error {
	doing := func(err error) error { return fmt.Errorf("keep the context %q: %w", name, err) }
	if err := CheckName(name); err != nil {
		return doing(err)
	}
	for _, at := range slices.Concat(c.Members, c.Doors) {
		if err := CheckMember(at); err != nil {
			return doing(err)
		}
	}
	all := filepath.Dir(f.of(name))
	if err := os.MkdirAll(all, 0o700); err != nil {
		return doing(err)
	}
	fresh, err := os.MkdirTemp(all, ".new-") // mode 0700
	if err != nil {
		return doing(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // what is left where something failed
	files := map[string][]byte{"members": lines(c.Members), "ca.crt": c.CA, "person.crt": c.Cert, "person.key": c.Key}
	if len(c.Doors) > 0 {
		files["doors"] = lines(c.Doors)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(fresh, file), text, 0o600); err != nil {
			return doing(err)
		}
	}
	old := fresh + ".old"
	if err := os.Rename(f.of(name), old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return doing(err)
	}
	if err := os.Rename(fresh, f.of(name)); err != nil {
		return doing(err)
	}
	if err := os.RemoveAll(old); err != nil {
		return doing(err)
	}
	return nil
}

func lines(words []string) []byte { return []byte(strings.Join(words, "\n") + "\n") }

// List names all contexts, in order.
func (f Folder) List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(f.of("any")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the contexts: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && contextName.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Use has a context be the one that is in use where no other is named.
func (f Folder) Use(name string) error {
	if _, err := f.Load(name); err != nil {
		return err
	}
	fresh := f.current() + ".new"
	err := os.WriteFile(fresh, []byte(name+"\n"), 0o600)
	if err == nil {
		err = os.Rename(fresh, f.current())
	}
	if err != nil {
		return fmt.Errorf("use the context %q: %w", name, err)
	}
	return nil
}

// Current is the context in use; empty where there is none.
func (f Folder) Current() (string, error) {
	text, err := read(f.current())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(string(text))
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("%s:1: %w", f.current(), err)
	}
	return name, nil
}

// Remove ends a context with its key. The certificate stays good for whoever has
// copied it until an admin revokes it.
func (f Folder) Remove(name string) error {
	if _, err := os.Stat(f.of(name)); err != nil || CheckName(name) != nil {
		return fmt.Errorf("there is no context %q: %w", name, fs.ErrNotExist)
	}
	if err := os.RemoveAll(f.of(name)); err != nil {
		return fmt.Errorf("remove the context %q: %w", name, err)
	}
	if current, err := f.Current(); err == nil && current == name {
		return os.Remove(f.current())
	}
	return nil
}

// Try says whether something that may fail is to be tried: when it was not in the
// last while. It notes that it is.
func (c Context) Try(now time.Time, while time.Duration) bool {
	path := filepath.Join(c.Folder, "tried")
	if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()).Abs() < while {
		return false
	}
	err := os.WriteFile(path, nil, 0o600)
	return errors.Join(err, os.Chtimes(path, now, now)) == nil
}
