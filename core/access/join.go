package access

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"argosy/core/cluster"
)

// Wish is what one who has a token asks for: certificates for keys that stay where
// they are.
type Wish struct {
	Token     string   `json:"token"` // ID.SECRET
	Kind      Kind     `json:"kind"`
	Name      string   `json:"name"`                // a machine's id or a person's name
	Host      string   `json:"host,omitempty"`      // a machine's host name
	Addresses []string `json:"addresses,omitempty"` // a machine's, the one first that others know it by
	Requests  Papers   `json:"requests"`            // certificate requests in PEM
}

// Papers are one text (PEM) for each certificate that a machine holds; a person has
// Own alone, and Peer is for members.
type Papers struct {
	Own   string `json:"own"`
	Local string `json:"local,omitempty"`
	Peer  string `json:"peer,omitempty"`
}

// Answer is what a wish, or a renewal, is granted.
type Answer struct {
	Bundle       string   `json:"bundle"` // the authorities of the cluster, in PEM
	Certificates Papers   `json:"certificates"`
	Members      []string `json:"members,omitempty"` // client URLs of the store
	// Membership is for members.
	Membership *Membership `json:"membership,omitempty"`
}

// Membership is what makes a machine a member. Who reads it is the cluster.
type Membership struct {
	ID             uint64 `json:"id"`              // in the store, where it is a learner until it is promoted
	InitialCluster string `json:"initial_cluster"` // NAME=PEER_URL of all members, with commas between
	Key            string `json:"key"`             // of the cluster's authority
	PeerBundle     string `json:"peer_bundle"`     // the authorities that members know each other by
	PeerKey        string `json:"peer_key"`
	SecretsKey     string `json:"secrets_key"` // what opens the cluster's secrets, as in its file
}

// Renewal asks for a certificate in place of one that ends or has ended, for the
// same key: who holds it alone could make the request.
type Renewal struct {
	Certificate string `json:"certificate"`
	Request     string `json:"request"`
}

// Grant is what a certificate is to say.
type Grant struct {
	Who   Identity
	Hosts []string      // names and addresses that it is good for as a server's
	Life  time.Duration // unless the authority ends before
}

// Held is a certificate as far as its holder's life depends on it.
type Held struct {
	Who         Identity
	Hosts       []string
	From, Until time.Time
	By          string // the hash of the authority that issued it
}

// maxAddresses is more than a machine has that others know it by.
const maxAddresses = 16

var hostName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$`)

// That it is a true address is seen where it gets into a certificate; these two see
// that it is no name, and not what every machine has.
var (
	addressForm = regexp.MustCompile(`^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$`)
	ownAddress  = regexp.MustCompile(`^(127\..*|0\.0\.0\.0|[0:]*:0*1?|(?i:::ffff:.*))$`)
)

// Check refuses a wish that cannot be granted whatever the token is for.
func (w Wish) Check() error {
	who, err := Parse(string(w.Kind), w.Name, "")
	if err != nil {
		return err
	}
	switch {
	case who.Kind == Local:
		return errors.New("local programs join with their machine")
	case w.Requests.Own == "":
		return errors.New("there is no certificate request")
	case who.Kind == Person:
		if w.Host != "" || len(w.Addresses) > 0 || w.Requests.Local != "" || w.Requests.Peer != "" {
			return errors.New("a person has no host, addresses or certificates of a machine")
		}
		return nil
	case w.Requests.Local == "":
		return errors.New("there is no certificate request for the machine's local programs")
	case (w.Requests.Peer != "") != (who.Kind == Member):
		return errors.New("a certificate request for the store's peers is for members, each of them")
	case !hostName.MatchString(w.Host) || addressForm.MatchString(w.Host) || w.Host == "localhost":
		return fmt.Errorf("%q is no host name of a machine: expected 1 to 63 letters, digits, dots and -", w.Host)
	case len(w.Addresses) == 0 || len(w.Addresses) > maxAddresses:
		return fmt.Errorf("%d addresses: expected 1 to %d", len(w.Addresses), maxAddresses)
	}
	for _, text := range w.Addresses {
		if !addressForm.MatchString(text) || ownAddress.MatchString(text) {
			return fmt.Errorf("%q is no address that others could know a machine by", text)
		}
	}
	return nil
}

// Hosts are what a machine's certificate is good for as a server's.
func (w Wish) Hosts() []string {
	if w.Kind == Person {
		return nil
	}
	return append(append([]string{w.Host}, w.Addresses...), "localhost", "127.0.0.1", "::1")
}

// Collides refuses a wish to be a machine that is there, or to be taken for one: a
// certificate for another machine's address would let its holder stand in for it.
func (w Wish) Collides(others []cluster.Machine) error {
	for _, m := range others {
		if string(m.ID) == w.Name {
			return fmt.Errorf("machine %s (%s) is in the cluster: what has joined does not join again while it is listed", m.ID, m.Name)
		}
		if strings.EqualFold(m.Name, w.Host) {
			return fmt.Errorf("machine %s is called %s already: host names tell machines of a cluster apart", m.ID, m.Name)
		}
		for _, address := range w.Addresses {
			if address == m.Address {
				return fmt.Errorf("machine %s (%s) has the address %s already", m.ID, m.Name, address)
			}
		}
	}
	return nil
}

// ParseSecret reads a token as people pass it on: its id, a dot, its secret.
func ParseSecret(text string) (id, secret string, err error) {
	id, secret, found := strings.Cut(text, ".")
	if !found || CheckTokenID(id) != nil || secret == "" || len(secret) > MaxNameBytes {
		return "", "", fmt.Errorf("%w: expected ID.SECRET as `argosy token create` prints it", ErrTokenRefused)
	}
	return id, secret, nil
}

// MayHave says whether the holder of a certificate gets one in its place, and what
// it says: the same, for as long.
func (r Revocation) MayHave(held Held, now time.Time) (Grant, error) {
	switch {
	case r.Refuses(held.Who):
		return Grant{}, fmt.Errorf("the certificates of %s are revoked", held.Who)
	case !held.Who.Kind.MayRenew(held.Until, now):
		return Grant{}, fmt.Errorf("the certificate of %s has ended at %s, too long ago: join again with a token", held.Who, held.Until.UTC().Format(time.RFC3339))
	}
	return Grant{Who: held.Who, Hosts: held.Hosts, Life: held.Who.Kind.RenewedLife(held.From, held.Until)}, nil
}

// ErrRefused is wrapped by why somebody gets no certificate, where asking again
// would not help.
var ErrRefused = errors.New("refused")
