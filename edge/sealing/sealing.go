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
	"fmt"
	"io/fs"

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
// with # before a comment. The first one seals where nobody says which; all of them
// open, so that a key can be replaced while boxes of the earlier one are still there.
// It is read each time: another key needs no restart.
type File string

// key is one line of the file.
type key struct {
	id     string
	secret []byte
}

// Seal encrypts one version of a secret with the key of this id, or with the first one
// where id is empty.
func (f File) Seal(id string, name cluster.SecretName, version int64, value []byte) (cluster.Sealed, error) {
	doing := func(err error) (cluster.Sealed, error) {
		return cluster.Sealed{}, fmt.Errorf("seal the secret %s: %w", name, err)
	}
	keys, err := f.read()
	if err != nil {
		return doing(err)
	}
	with, there := keys[0], true
	if id != "" {
		with, there = find(keys, id)
	}
	if !there {
		return doing(fmt.Errorf("the key %q seals, which is not in %s", id, f))
	}
	box, err := with.box()
	if err != nil {
		return doing(err)
	}
	return cluster.Sealed{Key: with.id, Box: box.Seal(nil, nil, value, bound(name, version))}, nil
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
	with, there := find(keys, sealed.Key)
	if !there {
		return nil, fmt.Errorf("it was sealed with the key %q, which is not in %s", sealed.Key, f)
	}
	box, err := with.box()
	if err != nil {
		return nil, err
	}
	value, err := box.Open(nil, nil, sealed.Box, bound(name, version))
	if err != nil {
		return nil, fmt.Errorf("what is stored was changed, or sealed for another name or version, or the key %s is another one here", with.id)
	}
	return value, nil
}

// Reseal has what is sealed be sealed with the key of this id.
func (f File) Reseal(id string, name cluster.SecretName, version int64, sealed cluster.Sealed) (cluster.Sealed, error) {
	value, err := f.Open(name, version, sealed)
	if err != nil {
		return cluster.Sealed{}, err
	}
	return f.Seal(id, name, version, value)
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
