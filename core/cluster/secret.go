package cluster

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SecretName is what a secret is called in the cluster.
type SecretName string

const (
	maxSecretNameBytes = 128
	// MaxSecretBytes is the largest value. systemd gives one unit 1 MB of
	// credentials in all, see systemd.exec(5).
	MaxSecretBytes = 64 << 10
	// KeptSecretVersions is how many versions of a secret are kept, the newest among
	// them: one that turns out wrong is replaced by an earlier one. All of them fit
	// into one request to the store.
	KeptSecretVersions = 5
)

// ParseSecretName checks that s can name a secret: a key of the store, a file and a
// credential of systemd's alike.
func ParseSecretName(s string) (SecretName, error) {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") == ""
	if s == "" || len(s) > maxSecretNameBytes || !plain || strings.ContainsRune("._@-", rune(s[0])) {
		return "", fmt.Errorf("%q is no secret's name: expected 1 to %d letters, digits and ._@-, beginning with a letter or digit", shortened(s), maxSecretNameBytes)
	}
	return SecretName(s), nil
}

func shortened(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}

// Secret is a value that units ask for: key secrets/<name>, written by the API.
// What is stored is sealed; nothing here opens it.
type Secret struct {
	Name     SecretName `json:"-"`
	Revision int64      `json:"-"` // of the store at the last write

	Versions []SecretVersion `json:"versions"` // ascending; at least one, the last is given out
	// Units are patterns of path.Match: only units that one of them means may ask
	// for the secret. Any may where there are none.
	Units []string `json:"units,omitempty"`
}

// SecretVersion is one value that a secret has or had.
type SecretVersion struct {
	Version int64     `json:"version"` // counts up from 1
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
	Sealed  Sealed    `json:"sealed"`
}

// Sealed is a value as it is stored.
type Sealed struct {
	Key string `json:"key"` // which key opens it
	Box []byte `json:"box"`
}

// Latest is the version that is given out. It is zero where there is none.
func (s Secret) Latest() SecretVersion {
	if len(s.Versions) == 0 {
		return SecretVersion{}
	}
	return s.Versions[len(s.Versions)-1]
}

// Version is one of those that are kept.
func (s Secret) Version(number int64) (SecretVersion, bool) {
	for _, v := range s.Versions {
		if v.Version == number {
			return v, true
		}
	}
	return SecretVersion{}, false
}

// With is the secret with a further version, and without those that are too old to
// be kept.
func (s Secret) With(v SecretVersion) Secret {
	s.Versions = append(slices.Clone(s.Versions), v)
	s.Versions = s.Versions[max(0, len(s.Versions)-KeptSecretVersions):]
	return s
}

// Resealed is the secret with all versions sealed with the key of this id, and whether
// that differs; again makes a version's other box. A version that it cannot make one of
// stays as it is, and is what the error tells.
func (s Secret) Resealed(key string, again func(key string, name SecretName, version int64, sealed Sealed) (Sealed, error)) (next Secret, changed bool, err error) {
	s.Versions = slices.Clone(s.Versions)
	var faults []error
	for i, v := range s.Versions {
		if v.Sealed.Key == key {
			continue
		}
		sealed, err := again(key, s.Name, v.Version, v.Sealed)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.Versions[i].Sealed, changed = sealed, true
	}
	return s, changed, errors.Join(faults...)
}

// For says whether a unit may ask for the secret.
func (s Secret) For(unit UnitName) bool {
	return len(s.Units) == 0 || slices.ContainsFunc(s.Units, func(pattern string) bool {
		means, err := path.Match(pattern, string(unit))
		return err == nil && means
	})
}

// Check says why a secret cannot be stored.
func (s Secret) Check() error {
	if _, err := ParseSecretName(string(s.Name)); err != nil {
		return err
	}
	if n := len(s.Versions); n == 0 || n > KeptSecretVersions {
		return fmt.Errorf("secret %s has %d versions: expected 1 to %d", s.Name, n, KeptSecretVersions)
	}
	before := int64(0)
	for _, v := range s.Versions {
		if v.Version <= before || len(v.Sealed.Box) == 0 {
			return fmt.Errorf("secret %s: version %d behind version %d: expected a later one, with what is sealed", s.Name, v.Version, before)
		}
		before = v.Version
	}
	return nil
}

// SecretVersions says which versions of which secrets a unit was given, as one
// comparable text: "db-password=3 tls-key=1", by name.
type SecretVersions string

// VersionsOf is the text of these versions.
func VersionsOf(versions map[SecretName]int64) SecretVersions {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		words = append(words, fmt.Sprintf("%s=%d", name, versions[name]))
	}
	return SecretVersions(strings.Join(words, " "))
}

// Of is the version of one secret; 0 where the unit was not given it.
func (v SecretVersions) Of(secret SecretName) int64 {
	for word := range strings.FieldsSeq(string(v)) {
		name, number, _ := strings.Cut(word, "=")
		if name == string(secret) {
			version, _ := strconv.ParseInt(number, 10, 64) // 0 for what nobody wrote
			return version
		}
	}
	return 0
}
