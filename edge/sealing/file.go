package sealing

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// preface is the file's first line.
const preface = "# What opens the cluster's secrets. Members alone have it; keep a copy where backups are not.\n"

// NewKey is a line with a new key. Its id says nothing of the key.
func NewKey() string {
	id, secret := make([]byte, 4), make([]byte, keyBytes)
	_, _ = rand.Read(id) // it never fails, see crypto/rand
	_, _ = rand.Read(secret)
	return hex.EncodeToString(id) + " " + base64.StdEncoding.EncodeToString(secret) + "\n"
}

// Create makes a file with a new key, readable by its owner only, and refuses
// (fs.ErrExist) where there is one.
func (f File) Create() error {
	if err := f.create(); err != nil {
		return fmt.Errorf("make a key for secrets: %w", err)
	}
	return nil
}

func (f File) create() (err error) {
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o755); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(string(f)), ".secrets.key.*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(next.Name())) }()
	_, err = next.WriteString(preface + NewKey())
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Link(next.Name(), string(f)) // unlike rename(2) it never replaces a file
}

// Held are the ids of the file's keys, the one first that seals.
func (f File) Held() ([]string, error) {
	keys, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("read the keys for secrets: %w", err)
	}
	return ids(keys), nil
}

func ids(keys []key) []string {
	var all []string
	for _, k := range keys {
		all = append(all, k.id)
	}
	return all
}

func find(keys []key, id string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.id == id })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

// Line is the line of one key, for another member's file.
func (f File) Line(id string) (string, error) {
	keys, err := f.read()
	if err != nil {
		return "", fmt.Errorf("read the key %q: %w", id, err)
	}
	k, there := find(keys, id)
	if !there {
		return "", fmt.Errorf("read the key %q: it is not in %s: %w", id, f, fs.ErrNotExist)
	}
	return k.line(), nil
}

func (k key) line() string {
	return k.id + " " + base64.StdEncoding.EncodeToString(k.secret) + "\n"
}

// Add puts the key of a line behind the others. One that is there already stays as it
// is, and another one of the same id is refused.
func (f File) Add(line string) error {
	more, err := parse(line)
	if err != nil {
		return fmt.Errorf("take up a key for secrets:%w", err)
	}
	_, err = f.change(func(keys []key) ([]key, error) {
		for _, k := range more {
			same, there := find(keys, k.id)
			switch {
			case !there:
				keys = append(keys, k)
			case same.line() != k.line():
				return nil, fmt.Errorf("the key %q is another one here", k.id)
			}
		}
		return keys, nil
	})
	if err != nil {
		return fmt.Errorf("take up a key for secrets: %w", err)
	}
	return nil
}

// Arrange has the file hold its keys in another order, and without those that order
// leaves out, and says whether that differs. There must be one left.
func (f File) Arrange(order func(held []string) []string) (changed bool, err error) {
	changed, err = f.change(func(keys []key) (arranged []key, err error) {
		for _, id := range order(ids(keys)) {
			k, there := find(keys, id)
			if !there {
				return nil, fmt.Errorf("the key %q is not there", id)
			}
			arranged = append(arranged, k)
		}
		return arranged, nil
	})
	if err != nil {
		return false, fmt.Errorf("put the keys for secrets in order: %w", err)
	}
	return changed, nil
}

// change writes the file with other keys, as a whole or not at all, where they differ.
// One process at a time does.
func (f File) change(to func([]key) ([]key, error)) (changed bool, err error) {
	folder, err := os.Open(filepath.Dir(string(f)))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }() // which ends the lock
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return false, fmt.Errorf("lock %s: %w", folder.Name(), err)
	}
	before, err := f.read()
	if err != nil {
		return false, err
	}
	after, err := to(slices.Clone(before))
	if err != nil || slices.Equal(ids(before), ids(after)) {
		return false, err
	}
	text := preface
	for _, k := range after {
		text += k.line()
	}
	if _, err := parse(text); err != nil {
		return false, fmt.Errorf("%s:%w", f, err)
	}
	return true, errors.Join(f.replace(text), folder.Sync())
}

// replace writes the file over what is there.
func (f File) replace(text string) (err error) {
	next, err := os.CreateTemp(filepath.Dir(string(f)), ".secrets.key.*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(next.Name())
		}
	}()
	_, err = next.WriteString(text)
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), string(f))
}

// read reads the file's keys; there is at least one.
func (f File) read() ([]key, error) {
	info, err := os.Stat(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("this member has no key for secrets: %w; copy the file from another member", err)
	}
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode().Perm(); {
	case mode&ownerOnly != 0:
		return nil, fmt.Errorf("%s: its mode %04o lets others read it: chmod %o %s, and replace the key if it may have been read", f, mode, mode&^ownerOnly, f)
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%s has %d bytes: expected at most %d", f, info.Size(), maxFileSize)
	}
	text, err := os.ReadFile(string(f))
	if err != nil {
		return nil, err
	}
	keys, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", f, err)
	}
	return keys, nil
}

// parse reads keys; its errors begin with the line and never quote a key.
func parse(text string) ([]key, error) {
	var keys []key
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) != 2 {
			return nil, fmt.Errorf("%d: expected the id of a key and the key in base64", number)
		}
		secret, err := base64.StdEncoding.Strict().DecodeString(words[1])
		if err != nil || len(secret) != keyBytes {
			return nil, fmt.Errorf("%d: the key %q is not %d bytes in base64", number, words[0], keyBytes)
		}
		for _, k := range keys {
			if k.id == words[0] {
				return nil, fmt.Errorf("%d: the key %q stands there twice", number, words[0])
			}
		}
		keys = append(keys, key{words[0], secret})
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New(" there is no key in it")
	case len(keys) > maxKeys:
		return nil, fmt.Errorf(" there are %d keys in it: expected at most %d", len(keys), maxKeys)
	}
	return keys, nil
}
