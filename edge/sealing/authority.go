package sealing

import (
	"encoding/json"
	"fmt"

	"argosy/core/cluster"
)

// authorityKey is what the key of a replaced authority's successor is sealed as: no
// secret can have such a name.
const authorityKey cluster.SecretName = "authority/key"

// SealKey encrypts an authority's key, for the members alone.
func (f File) SealKey(key []byte) (string, error) {
	sealed, err := f.Seal("", authorityKey, 1, key)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(sealed)
	return string(text), err
}

// Resealed is the text of an authority's key, sealed with the key of this id, and
// whether that differs.
func (f File) Resealed(id, text string) (again string, changed bool, err error) {
	var sealed cluster.Sealed
	if err := json.Unmarshal([]byte(text), &sealed); err != nil {
		return "", false, fmt.Errorf("read the sealed key of an authority: %w", err)
	}
	if sealed.Key == id {
		return text, false, nil
	}
	if sealed, err = f.Reseal(id, authorityKey, 1, sealed); err != nil {
		return "", false, err
	}
	next, err := json.Marshal(sealed)
	return string(next), true, err
}

// OpenKey decrypts what SealKey has made.
func (f File) OpenKey(text string) ([]byte, error) {
	var sealed cluster.Sealed
	if err := json.Unmarshal([]byte(text), &sealed); err != nil {
		return nil, fmt.Errorf("read the sealed key of an authority: %w", err)
	}
	return f.Open(authorityKey, 1, sealed)
}
