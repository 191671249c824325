// Package sealing encrypts the cluster's secrets before they are stored, and opens
// them, with keys in a file that members of the store alone have. What is stored, and
// every backup of it, is worth nothing without that file.
//
// It is AES-256 in Galois/Counter Mode (NIST SP 800-38D) with a random nonce before
// each box; a box opens only as the name and the version that it was sealed for, so
// that whoever may write to the store cannot give out one secret as another, or an
// old one as new. See docs/decisions/0021-secrets-are-sealed-by-the-members.md.
package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"argosy/core/cluster"
)

// DefaultFile is where members keep their keys.
const DefaultFile = "/etc/argosy/pki/secrets.key"

const (
	keyBytes    = 32 // AES-256
	maxKeys     = 16
	ownerOnly   = fs.FileMode(0o077) // bits that the file may not have
	maxFileSize = 64 << 10
)

// File is the path of a file with keys, one a line: an id and the key in base64,
// with # before a comment. The first one seals; all of them open, so that a key can
// be replaced while boxes of the earlier one are still there. It is read each time:
// another key needs no restart.
type File string

// key is one line of the file.
type key struct {
	id     string
	secret []byte
}

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
	_, err = next.WriteString("# What opens the cluster's secrets. Members alone have it; keep a copy where backups are not.\n" + NewKey())
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Link(next.Name(), string(f)) // unlike rename(2) it never replaces a file
}

// Seal encrypts one version of a secret with the first key.
func (f File) Seal(name cluster.SecretName, version int64, value []byte) (cluster.Sealed, error) {
	keys, err := f.read()
	if err != nil {
		return cluster.Sealed{}, fmt.Errorf("seal the secret %s: %w", name, err)
	}
	box, err := keys[0].box()
	if err != nil {
		return cluster.Sealed{}, fmt.Errorf("seal the secret %s: %w", name, err)
	}
	return cluster.Sealed{Key: keys[0].id, Box: box.Seal(nil, nil, value, bound(name, version))}, nil
}

// Open decrypts what was sealed for this name and version, with the key that it names.
func (f File) Open(name cluster.SecretName, version int64, sealed cluster.Sealed) ([]byte, error) {
	value, err := f.open(name, version, sealed)
	if err != nil {
		return nil, fmt.Errorf("open version %d of the secret %s: %w", version, name, err)
	}
	return value, nil
}

func (f File) open(name cluster.SecretName, version int64, sealed cluster.Sealed) ([]byte, error) {
	keys, err := f.read()
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.id != sealed.Key {
			continue
		}
		box, err := k.box()
		if err != nil {
			return nil, err
		}
		value, err := box.Open(nil, nil, sealed.Box, bound(name, version))
		if err != nil {
			return nil, fmt.Errorf("what is stored was changed, or sealed for another name or version, or the key %s is another one here", k.id)
		}
		return value, nil
	}
	return nil, fmt.Errorf("it was sealed with the key %q, which is not in %s", sealed.Key, f)
}

// bound is what a box is sealed for.
func bound(name cluster.SecretName, version int64) []byte {
	return fmt.Appendf(nil, "argosy secret 1\n%s\n%d", name, version)
}

func (k key) box() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
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
