package authority

import (
	"errors"
	"fmt"
	"os"

	"argosy/core/access"
)

// A member's Folder is also the desk at which others' certificates are signed. Each
// call reads the files anew, so that an authority that was replaced is taken up.

// Sign answers a request (PEM) with a certificate of the cluster's authority.
func (f Folder) Sign(request string, grant access.Grant) (string, error) {
	return signWith(f.Authority, request, grant)
}

// SignPeer answers a request with a certificate for the store's members.
func (f Folder) SignPeer(request string, grant access.Grant) (string, error) {
	return signWith(f.PeerAuthority, request, grant)
}

func signWith(open func() (*Authority, error), request string, grant access.Grant) (string, error) {
	a, err := open()
	if err != nil {
		return "", err
	}
	certificate, err := a.Sign([]byte(request), grant)
	return string(certificate), err
}

// Bundle is what the cluster is known by.
func (f Folder) Bundle() (string, error) {
	text, err := os.ReadFile(f.BundleFile())
	if err != nil {
		return "", fmt.Errorf("read the cluster's authorities: %w", err)
	}
	return string(text), nil
}

// Keys are what makes a machine a member. Its id and the other members are not in it.
func (f Folder) Keys() (access.Membership, error) {
	var all access.Membership
	var faults []error
	for name, into := range map[string]*string{
		clusterAuthority + ".key": &all.Key, peersAuthority + ".crt": &all.PeerBundle, peersAuthority + ".key": &all.PeerKey,
		SecretsKeyFile: &all.SecretsKey,
	} {
		text, err := os.ReadFile(f.path(name))
		faults = append(faults, err)
		*into = string(text)
	}
	if err := errors.Join(faults...); err != nil {
		return access.Membership{}, fmt.Errorf("read what members have: %w", err)
	}
	return all, nil
}

// Proven is whose certificate somebody asks to renew, who has shown to have its key.
func (f Folder) Proven(renewal access.Renewal) (access.Held, error) {
	bundle, err := f.Bundle()
	if err != nil {
		return access.Held{}, err
	}
	held, err := Verified([]byte(renewal.Certificate), []byte(bundle))
	if err != nil {
		return access.Held{}, err
	}
	fits, err := Of([]byte(renewal.Request), []byte(renewal.Certificate))
	if err == nil && !fits {
		err = fmt.Errorf("the request is not for the key of the certificate of %s", held.Who)
	}
	return held, err
}
