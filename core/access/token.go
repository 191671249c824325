package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Token is a right to a certificate, for whoever knows its secret: key
// tokens/<id>, written by the API.
type Token struct {
	ID       string `json:"-"`
	Revision int64  `json:"-"`

	Hash    string    `json:"hash"`           // HashSecret of the secret, which is stored nowhere
	Kind    Kind      `json:"kind"`           // of the certificates that it gives
	Name    string    `json:"name,omitempty"` // whose certificate; empty for that of any machine
	Uses    int       `json:"uses"`           // how many are left
	Expires time.Time `json:"expires"`
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at"`
}

// Claim is a wish to use a token.
type Claim struct {
	ID, Secret string
	Kind       Kind // of the certificate that is wanted, and its name
	Name       string
	At         time.Time // now
}

// ErrTokenRefused is wrapped with why a claim is refused.
var ErrTokenRefused = errors.New("the token is refused")

// ErrUnknownToken refuses a claim for a token that is not there and one with a
// wrong secret in the same words.
var ErrUnknownToken = fmt.Errorf("%w: it is not known here", ErrTokenRefused)

// RememberFor is how long a token is kept after its end, so that who comes late is
// told that it has ended.
const RememberFor = 24 * time.Hour

var tokenID = regexp.MustCompile(`^[a-z0-9]{1,64}$`)

// HashSecret is what a token keeps of its secret: SHA-256 in hexadecimal. Secrets
// are long and random, so that nothing slower is needed.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// CheckTokenID refuses what cannot be a token's id.
func CheckTokenID(id string) error {
	if !tokenID.MatchString(id) {
		return fmt.Errorf("%q is no token's id: expected 1 to 64 of a-z and 0-9", id)
	}
	return nil
}

// Check refuses a token that could not be read back or that gives nothing.
func (t Token) Check() error {
	err := CheckTokenID(t.ID)
	if sum, bad := hex.DecodeString(t.Hash); bad != nil || len(sum) != sha256.Size {
		err = errors.Join(err, fmt.Errorf("%q is no hash of a secret: expected a SHA-256 in hexadecimal", t.Hash))
	}
	switch {
	case t.Kind == Local:
		err = errors.Join(err, errors.New("a token gives no certificate of local programs: it comes with the machine's"))
	case t.Kind == Person && t.Name == "":
		err = errors.Join(err, errors.New("a token for a person names the person"))
	case t.Name != "":
		_, bad := Parse(string(t.Kind), t.Name, "")
		err = errors.Join(err, bad)
	case t.Kind != Member && t.Kind != Worker:
		err = errors.Join(err, fmt.Errorf("%q is no kind of identity: expected member, worker or person", t.Kind))
	}
	if t.Uses < 1 {
		err = errors.Join(err, fmt.Errorf("%d uses: expected at least 1", t.Uses))
	}
	return err
}

// Accept returns the token after the claim has used it, or why it may not.
func (t Token) Accept(claim Claim) (Token, error) {
	if subtle.ConstantTimeCompare([]byte(HashSecret(claim.Secret)), []byte(t.Hash)) != 1 || claim.ID != t.ID {
		return t, ErrUnknownToken
	}
	switch {
	case !claim.At.Before(t.Expires):
		return t, fmt.Errorf("%w: it has expired at %s", ErrTokenRefused, t.Expires.UTC().Format(time.RFC3339))
	case t.Uses < 1:
		return t, fmt.Errorf("%w: it was used as often as it may be", ErrTokenRefused)
	case claim.Kind != t.Kind:
		return t, fmt.Errorf("%w: it is for a %s, not for a %s", ErrTokenRefused, t.Kind, claim.Kind)
	case t.Name != "" && claim.Name != t.Name:
		return t, fmt.Errorf("%w: it is for %q, not for %q", ErrTokenRefused, t.Name, claim.Name)
	}
	t.Uses--
	return t, nil
}
