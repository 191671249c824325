package signing

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
)

// Key is somebody's public key, and what it is called. As text it is the line of
// id_ed25519.pub: see the format of authorized_keys in sshd(8).
type Key struct {
	public [ed25519.PublicKeySize]byte
	Name   string // alice@laptop; may be empty
}

const maxKeyName = 128

// ParseKey reads a key's line.
func ParseKey(line string) (Key, error) {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != keyType {
		return Key{}, fmt.Errorf("%s is no key; expected a line as in ~/.ssh/id_ed25519.pub: %s AAAA... NAME", quoted(line), keyType)
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(words[1])
	if err != nil {
		return Key{}, fmt.Errorf("key %s is no base64: %w", quoted(words[1]), err)
	}
	key, err := keyOf(string(blob))
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", quoted(words[1]), err)
	}
	key.Name = strings.Join(words[2:], " ")
	if len(key.Name) > maxKeyName || strings.ContainsFunc(key.Name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return Key{}, fmt.Errorf("key %s is called %s; expected at most %d printable bytes", quoted(words[1]), quoted(key.Name), maxKeyName)
	}
	return key, nil
}

// keyOf is the key in SSH's own form.
func keyOf(blob string) (key Key, err error) {
	kind, raw, err := pair(blob)
	switch {
	case kind != keyType:
		return key, fmt.Errorf("it is of type %s; expected %s: ssh-keygen -t ed25519 makes one", quoted(kind), keyType)
	case err != nil:
		return key, err
	case len(raw) != len(key.public):
		return key, fmt.Errorf("it has %d bytes; expected %d", len(raw), len(key.public))
	}
	copy(key.public[:], raw)
	return key, nil
}

func (k Key) blob() string { return wire(keyType) + wire(string(k.public[:])) }

// String is the key's line.
func (k Key) String() string {
	return strings.TrimSpace(keyType + " " + base64.StdEncoding.EncodeToString([]byte(k.blob())) + " " + k.Name)
}

// Fingerprint is what `ssh-keygen -l` calls the key.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256([]byte(k.blob()))
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// Called is the key for people.
func (k Key) Called() string {
	if k.Name == "" {
		return k.Fingerprint()
	}
	return fmt.Sprintf("%s (%s)", k.Name, k.Fingerprint())
}

// Same says whether both are one key, whatever they are called.
func (k Key) Same(other Key) bool { return k.public == other.public }

// MarshalText writes the key's line, in JSON too.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads it.
func (k *Key) UnmarshalText(text []byte) (err error) {
	*k, err = ParseKey(string(text))
	return err
}
