// Package signingtest signs units in tests, as `ssh-keygen -Y sign` does. core/signing's
// own tests compare both.
package signingtest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"argosy/core/signing"
)

// Signer has a key of its own, by its name.
type Signer struct {
	Name    string
	private ed25519.PrivateKey
}

// New is always the same signer for the same name.
func New(name string) Signer {
	seed := sha256.Sum256([]byte(name))
	return Signer{name, ed25519.NewKeyFromSeed(seed[:])}
}

// Key is the signer's public key.
func (s Signer) Key() signing.Key {
	key, err := signing.ParseKey("ssh-ed25519 " + base64.StdEncoding.EncodeToString(s.public()) + " " + s.Name)
	if err != nil {
		panic(err) // a fault of this package's
	}
	return key
}

// Sign is the signature of a file.
func (s Signer) Sign(file, text string) string { return Armored(s.Blob(signing.Namespace(file), text)) }

// Blob is a signature as it is behind its base64.
func (s Signer) Blob(namespace, text string) []byte {
	hash := sha512.Sum512([]byte(text))
	behind := slices.Concat(wire([]byte(namespace)), wire(nil), wire([]byte("sha512")))
	sig := ed25519.Sign(s.private, slices.Concat([]byte("SSHSIG"), behind, wire(hash[:])))
	return slices.Concat([]byte("SSHSIG"), []byte{0, 0, 0, 1}, wire(s.public()), behind, wire(typed(sig)))
}

func (s Signer) public() []byte { return typed(s.private[ed25519.SeedSize:]) }

func typed(raw []byte) []byte { return slices.Concat(wire([]byte("ssh-ed25519")), wire(raw)) }

func wire(text []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// Armored is a blob as ssh-keygen writes it.
func Armored(blob []byte) string {
	const width = 70
	body := base64.StdEncoding.EncodeToString(blob)
	var out strings.Builder
	out.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	for line := range slices.Chunk([]byte(body), width) {
		out.Write(append(line, '\n'))
	}
	out.WriteString("-----END SSH SIGNATURE-----\n")
	return out.String()
}
