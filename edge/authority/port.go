package authority

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Port is what a server shows of itself in a handshake: who issued its certificate,
// and which authorities it trusts in those that connect. It is what others meet,
// whatever the machine's files say.
type Port struct {
	shown   *x509.Certificate
	trusted [][]byte // their subjects
}

// lookTime bounds one look.
const lookTime = 5 * time.Second

// Look makes a request (HTTPS) with the folder's certificate of a name, where servers
// of a bundle's authorities are trusted. What is answered does not matter: that it is.
func (f Folder) Look(ctx context.Context, name, method, at, bundle string) (Port, error) {
	doing := func(err error) (Port, error) { return Port{}, fmt.Errorf("look who is at %s: %w", at, err) }
	own, err := tls.LoadX509KeyPair(f.CertificateFile(name), f.KeyFile(name))
	if err != nil {
		return doing(err)
	}
	expected := x509.NewCertPool()
	expected.AppendCertsFromPEM([]byte(bundle))
	var port Port
	client := &http.Client{Timeout: lookTime, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: expected,
			GetClientCertificate: func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				port.trusted = asked.AcceptableCAs
				return &own, nil
			},
		},
	}}
	request, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return doing(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return doing(errors.Unwrap(err)) // a url.Error, which says again what was asked
	}
	_ = answer.Body.Close() // it is not read
	port.shown = answer.TLS.PeerCertificates[0]
	return port, nil
}

// Signer is the hash of the one of a bundle's authorities that issued its certificate.
func (p Port) Signer(bundle string) (string, error) { return Signer(p.shown, []byte(bundle)) }

// Trusts says whether it trusts the authorities of a bundle, and no other.
func (p Port) Trusts(bundle string) (bool, error) {
	certificates, err := parseCertificates([]byte(bundle))
	if err != nil {
		return false, err
	}
	var expected [][]byte
	for _, c := range certificates {
		expected = append(expected, c.RawSubject)
	}
	trusted := slices.Clone(p.trusted)
	slices.SortFunc(expected, bytes.Compare)
	slices.SortFunc(trusted, bytes.Compare)
	return slices.EqualFunc(expected, trusted, bytes.Equal), nil
}
