package access

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Role is what a person may do, each more than the one before.
type Role string

const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // also changes units that its patterns match
	Admin    Role = "admin"    // everything
)

var roles = []Role{Viewer, Operator, Admin}

// ParseRole reads a role's name.
func ParseRole(text string) (Role, error) {
	if !slices.Contains(roles, Role(text)) {
		return "", fmt.Errorf("%q is no role: expected admin, operator or viewer", text)
	}
	return Role(text), nil
}

// Includes says whether r may do all that other may. A role that is none includes
// none and is included in none.
func (r Role) Includes(other Role) bool {
	mine, others := slices.Index(roles, r), slices.Index(roles, other)
	return others >= 0 && mine >= others
}

// Account is what a person may do: key people/<name>, written by the API. Who has
// a certificate and no account may do nothing.
type Account struct {
	Name     string `json:"-"`
	Revision int64  `json:"-"` // of the store at the last write

	Role Role `json:"role"`
	// Units are patterns of the units that an operator may change, as Conflicts=
	// takes them; none stands for all units.
	Units []string  `json:"units,omitempty"`
	By    string    `json:"by,omitempty"` // who said so
	At    time.Time `json:"at"`
}

// Check refuses an account that could not be read back or that means nothing.
func (a Account) Check() error {
	err := CheckPersonName(a.Name)
	_, bad := ParseRole(string(a.Role))
	err = errors.Join(err, bad)
	if len(a.Units) > 0 && a.Role != Operator {
		err = errors.Join(err, fmt.Errorf("patterns of units are for operators: a role of %q has none", a.Role))
	}
	for _, pattern := range a.Units {
		if _, bad := path.Match(pattern, ""); bad != nil || pattern == "" {
			err = errors.Join(err, fmt.Errorf("%q is no pattern of units: expected *, ? and [a-z] with every bracket closed, such as web@*.service", pattern))
		}
	}
	return err
}

// MayChange says whether the account's holder may change a unit.
func (a Account) MayChange(unit cluster.UnitName) bool {
	if !a.Role.Includes(Operator) {
		return false
	}
	return a.Role == Admin || len(a.Units) == 0 ||
		slices.ContainsFunc(a.Units, func(pattern string) bool { return unitfile.Matches(pattern, unit) })
}

// Revocation says which certificates are not taken any more: key
// revoked/<subject>, written by the API. It is never taken back: a new certificate
// has the generation Least.
type Revocation struct {
	Subject  Subject `json:"-"`
	Revision int64   `json:"-"`

	Least uint64    `json:"least"` // the lowest generation that is taken
	By    string    `json:"by,omitempty"`
	At    time.Time `json:"at"`
}

// Refuses says whether a certificate of the subject is revoked.
func (r Revocation) Refuses(who Identity) bool { return who.Generation < r.Least }

// Succession is an authority on its way into another's place, or there. Each is named
// by its hash.
type Succession struct {
	Bundle string `json:"bundle"`           // certificates in PEM, that of who signs first, as in their file
	Signs  string `json:"signs"`            // who signs
	Newest string `json:"newest"`           // who is to sign
	Former string `json:"former,omitempty"` // who is trusted beside it, for a while
	Key    string `json:"key"`              // the newest's, sealed: for members alone
}

// Replacing says that one authority is on its way into another's place.
func (s Succession) Replacing() bool { return s.Former != "" }

// PeerPort is where members of the store speak to each other.
const PeerPort = "2380"

// Authorities are those that certificates are of, since the first was replaced: key
// authorities, written by an admin on a member.
type Authorities struct {
	Revision int64 `json:"-"`

	Succession // of all machines and people
	// Peers are those that the store's members know each other by; empty where the
	// first was never replaced.
	Peers Succession `json:"peers,omitzero"`
	// Turn is the member whose etcd is to start anew now, if it goes by other
	// authorities of its peers than these: one at a time.
	Turn cluster.MachineID `json:"turn,omitempty"`
	By   string            `json:"by,omitempty"`
	At   time.Time         `json:"at"`
}

// Register is what the store says of who may do what, as of one revision. It is
// shared: whoever is handed one changes nothing in it.
type Register struct {
	Revision    int64
	Accounts    map[string]Account
	Revoked     map[Subject]Revocation
	Authorities Authorities // empty where nothing was stored yet
	Keyring     Keyring     // empty where no key of the secrets was ever replaced
}

// Refuses says whether a certificate is revoked.
func (r Register) Refuses(who Identity) bool { return r.Revoked[who.Subject()].Refuses(who) }
