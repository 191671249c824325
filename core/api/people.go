package api

import (
	"fmt"
	"time"

	"argosy/core/access"
)

// Person is somebody who may use the cluster.
type Person struct {
	Name string      `json:"name"`
	Role access.Role `json:"role"`
	// Units are patterns of the units that an operator may change; all where there
	// are none.
	Units []string  `json:"units,omitempty"`
	By    string    `json:"by,omitempty"` // who said so
	At    time.Time `json:"at"`
	// Revoked is when their certificates were last revoked; those since then are good.
	Revoked time.Time `json:"revoked,omitzero"`
}

// People answers GET people, sorted by name.
type People struct {
	People []Person `json:"people"`
}

// PersonChange is the body of PUT people/NAME: what they may do from then on.
type PersonChange struct {
	Role  access.Role `json:"role"`
	Units []string    `json:"units,omitempty"`
	// New refuses to change somebody who is there.
	New bool `json:"new,omitempty"`
}

// PersonWritten answers PUT and DELETE people/NAME, and POST people/NAME/revoke.
type PersonWritten struct {
	Name    string `json:"name"`
	Changed bool   `json:"changed"` // false: it was so already, nothing was written
	// Generation is that of the certificates which the person may get now.
	Generation uint64 `json:"generation,omitempty"`
}

// InvitationRequest is the body of POST people/NAME/tokens.
type InvitationRequest struct {
	Seconds int64 `json:"seconds,omitempty"` // for which the token is good; an hour where absent
}

// Invitation is what somebody needs to log in, once.
type Invitation struct {
	Name      string    `json:"name"`
	Token     string    `json:"token"` // ID.SECRET, which is told nowhere else
	Expires   time.Time `json:"expires"`
	Member    string    `json:"member"`    // HOST:PORT at which a member takes it
	Authority string    `json:"authority"` // the hash by which the cluster is known
}

// Line is the command that logs in.
func (i Invitation) Line() string {
	return fmt.Sprintf("fleetctl login %s@%s --token %s --ca-hash %s", i.Name, i.Member, i.Token, i.Authority)
}

const (
	// invitationLife is enough to pass a line on and type it.
	invitationLife    = time.Hour
	maxInvitationLife = 30 * 24 * time.Hour
)

// Life is how long the token is to be good.
func (r InvitationRequest) Life() (time.Duration, error) {
	most := int64(maxInvitationLife / time.Second)
	switch {
	case r.Seconds == 0:
		return invitationLife, nil
	case r.Seconds < 0 || r.Seconds > most:
		return 0, Invalid(fmt.Sprintf("seconds is %d", r.Seconds), fmt.Sprintf("expected 1 to %d", most))
	}
	return time.Duration(r.Seconds) * time.Second, nil
}

// MostLast bounds how many of the audit's last entries may be asked for, where not all are.
const MostLast = 100_000
