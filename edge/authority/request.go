package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"argosy/core/access"
)

// maxRequestBytes is more than a request with any key that is accepted takes.
const maxRequestBytes = 8 << 10

// NewKey makes a key, in PEM.
func NewKey() ([]byte, error) {
	_, keyPEM, err := newKey()
	return keyPEM, err
}

// NewRequest asks for a certificate for a key (both in PEM; PKCS #10). It says
// nothing but which key it is: who its holder is, is for the authority to know.
func NewRequest(keyPEM []byte) ([]byte, error) {
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("ask for a certificate: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("ask for a certificate: %w", err)
	}
	return encode("CERTIFICATE REQUEST", der), nil
}

// Sign answers a request (in PEM) with a certificate that says what was granted.
// Whatever subject or names stand in the request are not looked at.
func (a *Authority) Sign(request []byte, grant access.Grant) ([]byte, error) {
	public, err := proven(request)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate for %s: %w", grant.Who, err)
	}
	return a.issue(public, grant)
}

// Of reports whether a request is for the key that a certificate (both in PEM) is
// of, and so was made by who holds it.
func Of(request, certificate []byte) (bool, error) {
	public, err := proven(request)
	if err != nil {
		return false, err
	}
	certificates, err := parseCertificates(certificate)
	if err != nil {
		return false, err
	}
	return same(public, certificates[0].PublicKey), nil
}

// proven is the key that a request asks a certificate for, whose holder made it.
func proven(request []byte) (crypto.PublicKey, error) {
	if len(request) > maxRequestBytes {
		return nil, fmt.Errorf("the certificate request has %d bytes: expected at most %d", len(request), maxRequestBytes)
	}
	block, rest := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return nil, errors.New("expected one certificate request in PEM form (CERTIFICATE REQUEST)")
	}
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificate request: %w", err)
	}
	switch key := asked.PublicKey.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < 256 {
			return nil, fmt.Errorf("the certificate request's key has %d bits: expected 256 or more", key.Curve.Params().BitSize)
		}
	default:
		return nil, fmt.Errorf("the certificate request's key is a %s one: expected ECDSA or Ed25519", asked.PublicKeyAlgorithm)
	}
	if err := asked.CheckSignature(); err != nil {
		return nil, fmt.Errorf("the certificate request was not made by who holds its key: %w", err)
	}
	return asked.PublicKey, nil
}

func same(a, b crypto.PublicKey) bool {
	public, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b)
}
