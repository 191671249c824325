package authority

import (
	"bytes"
	"crypto/rand"
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
func (f Folder) Begin() (next access.Succession, key []byte, err error) {
	return f.begin(clusterAuthority)
}

// BeginPeers is Begin for the authority of the store's peers.
func (f Folder) BeginPeers() (next access.Succession, key []byte, err error) {
	return f.begin(peersAuthority)
}

func (f Folder) begin(line string) (next access.Succession, key []byte, err error) {
	doing := func(err error) (access.Succession, []byte, error) {
		return access.Succession{}, nil, fmt.Errorf("make another authority: %w", err)
	}
	own, err := open(f, line)
	if err != nil {
		return doing(err)
	}
	signer, key, err := newKey()
	if err != nil {
		return doing(err)
	}
	template := selfSigned(time.Now())
	template.Subject.SerialNumber = rand.Text() // a server names those that it trusts by their subjects
	certificate, err := sign(template, nil, signer.Public(), signer)
	if err != nil {
		return doing(err)
	}
	successor, err := Parse(certificate, key)
	if err != nil {
		return doing(err)
	}
	return access.Succession{
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
	return f.takeUp(clusterAuthority, bundle, key)
}

// TakeUpPeers is TakeUp for those that the store's members know each other by.
func (f Folder) TakeUpPeers(bundle, key []byte) (done, changed bool, err error) {
	return f.takeUp(peersAuthority, bundle, key)
}

func (f Folder) takeUp(line string, bundle, key []byte) (done, changed bool, err error) {
	doing := func(err error) (bool, bool, error) {
		return false, false, fmt.Errorf("take up the authorities of %s.crt: %w", line, err)
	}
	before, err := os.ReadFile(f.CertificateFile(line))
	if err != nil {
		return doing(err)
	}
	known, err := Pins(before)
	if err != nil {
		return doing(fmt.Errorf("%s: %w", f.CertificateFile(line), err))
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
	if err := f.succeed(line, bundle, meanwhile, key); err != nil {
		return doing(err)
	}
	all, done := bundle, true
	for _, name := range f.Names() {
		if bundleOf(name) != line+".crt" {
			continue
		}
		held, err := f.Held(name)
		if err != nil {
			return doing(err)
		}
		if !slices.Contains(next, held.By) {
			all, done = meanwhile, false
		}
	}
	now, err := Pins(all)
	if err != nil {
		return doing(err)
	}
	if !bytes.Equal(all, before) {
		if err := f.Write(line+".crt", all); err != nil {
			return doing(err)
		}
	}
	slices.Sort(now)
	slices.Sort(known)
	return done, !slices.Equal(now, known), nil
}

// succeed has a member sign with the key of the bundle's first authority, once that is
// among those that it trusts.
func (f Folder) succeed(line string, bundle, meanwhile, key []byte) error {
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
	own, err := open(f, line)
	if err != nil {
		return err
	}
	if a.Pin() != pins[0] || own.Pin() == pins[0] {
		return nil
	}
	if err := f.Write(line+".crt", meanwhile); err != nil {
		return err
	}
	return f.Write(line+".key", key)
}
