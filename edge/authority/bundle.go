package authority

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"

	"argosy/core/access"
)

// A pin names an authority by what its certificate hashes to, so that one who has
// only the pin knows it again.
var pinForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func pin(der []byte) string {
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Pin is the authority's own.
func (a *Authority) Pin() string { return pin(a.certificate.Raw) }

// CheckPin refuses what cannot be a pin.
func CheckPin(text string) error {
	if !pinForm.MatchString(text) {
		return fmt.Errorf("%q is no hash of an authority: expected sha256: and 64 hexadecimal digits", text)
	}
	return nil
}

// Pins are those of all authorities in a bundle (PEM), in its order.
func Pins(bundle []byte) ([]string, error) {
	certificates, err := parseCertificates(bundle)
	if err != nil {
		return nil, err
	}
	var pins []string
	for _, c := range certificates {
		pins = append(pins, pin(c.Raw))
	}
	return pins, nil
}

// Verified reads a certificate (PEM) that one of the bundle's authorities issued,
// whether it has ended or not. Which moment it is, is for its reader to judge.
func Verified(certificate, bundle []byte) (access.Held, error) {
	doing := func(err error) (access.Held, error) {
		return access.Held{}, fmt.Errorf("verify a certificate: %w", err)
	}
	chain, err := parseCertificates(certificate)
	if err != nil {
		return doing(err)
	}
	trusted, err := parseCertificates(bundle)
	if err != nil {
		return doing(err)
	}
	by := slices.IndexFunc(trusted, func(ca *x509.Certificate) bool { return chain[0].CheckSignatureFrom(ca) == nil })
	if by < 0 {
		return doing(errors.New("none of the cluster's authorities issued it"))
	}
	who, err := IdentityOf(chain[0])
	if err != nil {
		return doing(err)
	}
	held := access.Held{Who: who, From: chain[0].NotBefore, Until: chain[0].NotAfter, By: pin(trusted[by].Raw), Hosts: chain[0].DNSNames}
	for _, ip := range chain[0].IPAddresses {
		held.Hosts = append(held.Hosts, ip.String())
	}
	return held, nil
}

// Signer is the hash of the one of a bundle's authorities that issued a certificate.
func Signer(certificate *x509.Certificate, bundle []byte) (string, error) {
	trusted, err := parseCertificates(bundle)
	if err != nil {
		return "", err
	}
	for _, ca := range trusted {
		if certificate.CheckSignatureFrom(ca) == nil {
			return pin(ca.Raw), nil
		}
	}
	return "", errors.New("none of the cluster's authorities issued it")
}

// Join is one bundle of two, each authority in it once, those of first first.
func Join(first, second []byte) ([]byte, error) {
	var all []*x509.Certificate
	for _, bundle := range [][]byte{first, second} {
		certificates, err := parseCertificates(bundle)
		if err != nil {
			return nil, fmt.Errorf("join two bundles of authorities: %w", err)
		}
		all = append(all, certificates...)
	}
	var text bytes.Buffer
	var seen []string
	for _, c := range all {
		if p := pin(c.Raw); !slices.Contains(seen, p) {
			seen = append(seen, p)
			text.Write(encode("CERTIFICATE", c.Raw))
		}
	}
	return text.Bytes(), nil
}

// Pinned is the TLS configuration of one who has nothing but an authority's pin:
// the server must show the authority's certificate beside its own (see LoadJoin),
// and be good for the host that was asked.
func Pinned(pinned, host string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: host,
		// Go's own verification knows no pins; verifyPinned takes its place.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPinned(state.PeerCertificates, pinned, host)
		},
	}
}

func verifyPinned(shown []*x509.Certificate, pinned, host string) error {
	at := slices.IndexFunc(shown, func(c *x509.Certificate) bool { return pin(c.Raw) == pinned })
	if at < 0 {
		return fmt.Errorf("the machine at %s does not know the authority %s: it is of another cluster, or somebody else's, or the authority has been replaced since", host, pinned)
	}
	pool := x509.NewCertPool()
	pool.AddCert(shown[at])
	if _, err := shown[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: hostName(host)}); err != nil {
		return fmt.Errorf("the machine at %s: %w", host, err)
	}
	who, err := IdentityOf(shown[0])
	if err != nil {
		return err
	}
	if who.Kind != access.Member {
		return fmt.Errorf("the machine at %s is a %s: only members let others join", host, who.Kind)
	}
	return nil
}

// hostName is a host as x509.VerifyOptions wants it: an address in brackets, so
// that it is never taken for a name.
func hostName(host string) string {
	if net.ParseIP(host) != nil {
		return "[" + host + "]"
	}
	return host
}

// Authorities are those of a bundle (PEM), in its order; By is each one's own pin.
func Authorities(bundle []byte) ([]access.Held, error) {
	certificates, err := parseCertificates(bundle)
	if err != nil {
		return nil, err
	}
	var all []access.Held
	for _, c := range certificates {
		all = append(all, access.Held{From: c.NotBefore, Until: c.NotAfter, By: pin(c.Raw)})
	}
	return all, nil
}
