package authority

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"argosy/core/access"
)

// An authority is replaced while the cluster runs in three steps, each of which every
// machine takes before the next one begins: the bundle has the new authority behind
// the old one, so that all trust both; then before it, so that the new one signs; then
// alone. The first of a bundle is who signs.

// Begin makes another authority, which stands behind that of the folder. Its key (in
// PEM) is nowhere but in the answer.
func (f Folder) Begin() (next access.Authorities, key []byte, err error) {
	doing := func(err error) (access.Authorities, []byte, error) {
		return access.Authorities{}, nil, fmt.Errorf("make another authority: %w", err)
	}
	own, err := f.Authority()
	if err != nil {
		return doing(err)
	}
	signer, key, err := newKey()
	if err != nil {
		return doing(err)
	}
	certificate, err := sign(selfSigned(time.Now()), nil, signer.Public(), signer)
	if err != nil {
		return doing(err)
	}
	successor, err := Parse(certificate, key)
	if err != nil {
		return doing(err)
	}
	return access.Authorities{
		Bundle: string(own.Certificate()) + string(certificate), Signs: own.Pin(), Newest: successor.Pin(), Former: own.Pin(),
	}, key, nil
}

// Turn is a bundle with the authority of this hash first.
func Turn(bundle, first string) (string, error) {
	alone, err := Alone(bundle, first)
	if err != nil {
		return "", err
	}
	all, err := Join([]byte(alone), []byte(bundle))
	return string(all), err
}

// Alone is the one of a bundle's authorities that has this hash.
func Alone(bundle, hash string) (string, error) {
	certificates, err := parseCertificates([]byte(bundle))
	if err != nil {
		return "", err
	}
	for _, c := range certificates {
		if pin(c.Raw) == hash {
			return string(encode("CERTIFICATE", c.Raw)), nil
		}
	}
	return "", fmt.Errorf("the authority %s is not among those of the cluster", hash)
}

// Parse is an authority whose certificate and key (in PEM) are in no folder.
func Parse(certificate, key []byte) (*Authority, error) {
	certificates, err := parseCertificates(certificate)
	if err != nil {
		return nil, fmt.Errorf("read an authority: %w", err)
	}
	signer, err := parseKey(key)
	if err != nil {
		return nil, fmt.Errorf("read an authority's key: %w", err)
	}
	for _, c := range certificates {
		if matches(c, signer) {
			return &Authority{certificate: c, key: signer, bundle: certificate}, nil
		}
	}
	return nil, errors.New("read an authority: the key is of none of the certificates")
}

// signs is the pin of the authority that signs certificates like one of the folder's.
func (f Folder) signs(name string) (string, error) {
	bundle, err := os.ReadFile(f.path(bundleOf(name)))
	if err != nil {
		return "", fmt.Errorf("read the authorities of %s: %w", name, err)
	}
	pins, err := Pins(bundle)
	if err != nil {
		return "", fmt.Errorf("%s: %w", bundleOf(name), err)
	}
	return pins[0], nil
}

// TakeUp has this machine go by other authorities of the cluster, as far as it can
// now, and with it a member sign with another key. It is done where the folder's own
// certificates are all of the bundle's authorities; until then the former ones are
// trusted as well, and TakeUp is to be called again. changed says that others are
// trusted now than before.
func (f Folder) TakeUp(bundle, key []byte) (done, changed bool, err error) {
	doing := func(err error) (bool, bool, error) {
		return false, false, fmt.Errorf("take up the cluster's authorities: %w", err)
	}
	before, err := os.ReadFile(f.BundleFile())
	if err != nil {
		return doing(err)
	}
	known, err := Pins(before)
	if err != nil {
		return doing(fmt.Errorf("%s: %w", f.BundleFile(), err))
	}
	next, err := Pins(bundle)
	if err != nil {
		return doing(err)
	}
	if !slices.ContainsFunc(next, func(p string) bool { return slices.Contains(known, p) }) && (!f.Signs() || len(key) == 0) {
		return doing(errors.New("none of those that are trusted here is among them: join the machine again"))
	}
	meanwhile, err := Join(bundle, before)
	if err != nil {
		return doing(err)
	}
	if err := f.succeed(bundle, meanwhile, key); err != nil {
		return doing(err)
	}
	all, done := bundle, true
	for _, name := range f.Names() {
		held, err := f.Held(name)
		if err != nil {
			return doing(err)
		}
		if bundleOf(name) == CertificateFile && !slices.Contains(next, held.By) {
			all, done = meanwhile, false
		}
	}
	now, err := Pins(all)
	if err != nil {
		return doing(err)
	}
	if !bytes.Equal(all, before) {
		if err := f.Write(CertificateFile, all); err != nil {
			return doing(err)
		}
	}
	slices.Sort(now)
	slices.Sort(known)
	return done, !slices.Equal(now, known), nil
}

// succeed has a member sign with the key of the bundle's first authority, once that is
// among those that it trusts.
func (f Folder) succeed(bundle, meanwhile, key []byte) error {
	if !f.Signs() || len(key) == 0 {
		return nil
	}
	a, err := Parse(bundle, key)
	if err != nil {
		return err
	}
	pins, err := Pins(bundle)
	if err != nil {
		return err
	}
	own, err := f.Authority()
	if err != nil {
		return err
	}
	if a.Pin() != pins[0] || own.Pin() == pins[0] {
		return nil
	}
	if err := f.Write(CertificateFile, meanwhile); err != nil {
		return err
	}
	return f.Write(KeyFile, key)
}
