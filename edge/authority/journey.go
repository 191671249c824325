package authority

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"argosy/core/access"
)

// NewKeys makes the keys that a wish needs, and the wish's requests for them. A
// person's is Own.
func NewKeys(wish *access.Wish) (keys access.Papers, err error) {
	pairs := []struct{ key, request *string }{{&keys.Own, &wish.Requests.Own}}
	if wish.Kind != access.Person {
		pairs = append(pairs, struct{ key, request *string }{&keys.Local, &wish.Requests.Local})
	}
	if wish.Kind == access.Member {
		pairs = append(pairs, struct{ key, request *string }{&keys.Peer, &wish.Requests.Peer})
	}
	for _, p := range pairs {
		key, err := NewKey()
		if err != nil {
			return keys, err
		}
		request, err := NewRequest(key)
		if err != nil {
			return keys, err
		}
		*p.key, *p.request = string(key), string(request)
	}
	return keys, nil
}

// Verify refuses an answer that is not what was wished for, of the authority that is
// known by its pin.
func Verify(wish access.Wish, answer access.Answer, pinned string) error {
	pins, err := Pins([]byte(answer.Bundle))
	if err != nil {
		return fmt.Errorf("the cluster's authorities: %w", err)
	}
	if !slices.Contains(pins, pinned) {
		return fmt.Errorf("the authority %s is not among those of the cluster", pinned)
	}
	if err := fits(wish.Requests.Own, answer.Certificates.Own, answer.Bundle, wish.Kind, wish.Name); err != nil || wish.Kind == access.Person {
		return err
	}
	if err := fits(wish.Requests.Local, answer.Certificates.Local, answer.Bundle, access.Local, wish.Name); err != nil || wish.Kind == access.Worker {
		return err
	}
	switch m := answer.Membership; {
	case m == nil:
		return errors.New("there is nothing in it that makes a member")
	case m.SecretsKey == "":
		return errors.New("the key of the cluster's secrets is not in it")
	}
	return fits(wish.Requests.Peer, answer.Certificates.Peer, answer.Membership.PeerBundle, wish.Kind, wish.Name)
}

// fits refuses a certificate that is not for the key of a request and its holder.
func fits(request, certificate, bundle string, kind access.Kind, name string) error {
	held, err := Verified([]byte(certificate), []byte(bundle))
	if err != nil {
		return err
	}
	if held.Who.Kind != kind || held.Who.Name != name {
		return fmt.Errorf("a certificate is of %s, not of %s %s", held.Who, kind, name)
	}
	ours, err := Of([]byte(request), []byte(certificate))
	if err == nil && !ours {
		err = fmt.Errorf("the certificate of %s is for another key", held.Who)
	}
	return err
}

// Place writes all that a machine has that has joined.
func (f Folder) Place(keys access.Papers, answer access.Answer) error {
	files := map[string]string{
		CertificateFile: answer.Bundle, MachineName + ".key": keys.Own, MachineName + ".crt": answer.Certificates.Own,
		LocalName + ".key": keys.Local, LocalName + ".crt": answer.Certificates.Local,
	}
	if m := answer.Membership; m != nil {
		for name, text := range map[string]string{
			KeyFile: m.Key, peersAuthority + ".crt": m.PeerBundle, peersAuthority + ".key": m.PeerKey,
			PeerName + ".key": keys.Peer, PeerName + ".crt": answer.Certificates.Peer,
			SecretsKeyFile: m.SecretsKey,
		} {
			files[name] = text
		}
	}
	for name, text := range files {
		if err := f.Write(name, []byte(text)); err != nil {
			return err
		}
	}
	if answer.Membership != nil {
		_, own := f.Authority()
		_, peers := f.PeerAuthority()
		if err := errors.Join(own, peers); err != nil {
			return err
		}
	}
	return os.Chmod(string(f), 0o755)
}
