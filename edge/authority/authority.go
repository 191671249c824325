// Package authority is a cluster's own small certificate authority: a folder with
// a key and a certificate, from which every machine and person gets a certificate
// that says who they are (core/access). It also loads such files as the TLS
// configuration that every connection between machines uses: version 1.3, both
// sides with a certificate.
//
// It decides nothing about who may do what; it keeps no list of what it issued.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"argosy/core/access"
)

// The authority's files in its folder.
const (
	CertificateFile = "ca.crt"
	KeyFile         = "ca.key"
)

// clockSkew is how far behind a machine's clock may be and still accept a
// certificate issued just now; less, a tenth of its life, for one of minutes.
const clockSkew = time.Hour

// Authority issues certificates. It never changes after Create or Open, so it may
// be used from many goroutines.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	bundle      []byte
}

// Create makes an authority in dir, which it creates where needed, and refuses
// (fs.ErrExist) where there is one. The certificate is written last and names the
// authority's beginning: a key alone is what a crash of Create left, and is used.
func Create(dir string) (*Authority, error) {
	return createFiles(filepath.Join(dir, CertificateFile), filepath.Join(dir, KeyFile))
}

func createFiles(certificateFile, keyFile string) (*Authority, error) {
	dir := filepath.Dir(certificateFile)
	doing := func(err error) error { return fmt.Errorf("create a certificate authority in %s: %w", dir, err) }
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, doing(err)
	}
	if _, err := os.Lstat(certificateFile); err == nil {
		return nil, doing(fmt.Errorf("%s: %w", filepath.Base(certificateFile), fs.ErrExist))
	}
	_, keyPEM, err := newKey()
	if err != nil {
		return nil, doing(err)
	}
	if err := writeNew(keyFile, keyPEM); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, doing(err)
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, doing(err)
	}
	certificatePEM, err := sign(selfSigned(time.Now()), nil, key.Public(), key)
	if err != nil {
		return nil, doing(err)
	}
	if err := writeNew(certificateFile, certificatePEM); err != nil {
		return nil, doing(err)
	}
	return openFiles(certificateFile, keyFile)
}

// Open reads the authority that Create made in dir. It refuses a key that others
// than its owner can read, and files that do not belong together.
func Open(dir string) (*Authority, error) {
	return openFiles(filepath.Join(dir, CertificateFile), filepath.Join(dir, KeyFile))
}

func openFiles(certificateFile, keyFile string) (*Authority, error) {
	doing := func(err error) error {
		return fmt.Errorf("open the certificate authority in %s: %w", filepath.Dir(certificateFile), err)
	}
	text, err := os.ReadFile(certificateFile)
	if err != nil {
		return nil, doing(err)
	}
	certificates, err := parseCertificates(text)
	if err != nil {
		return nil, doing(fmt.Errorf("%s: %w", filepath.Base(certificateFile), err))
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, doing(err)
	}
	own := slices.IndexFunc(certificates, func(c *x509.Certificate) bool { return matches(c, key) })
	if own < 0 {
		return nil, doing(fmt.Errorf("%s does not belong to %s", filepath.Base(keyFile), filepath.Base(certificateFile)))
	}
	if !certificates[own].IsCA {
		return nil, doing(fmt.Errorf("%s: it is a certificate, but not an authority's", filepath.Base(certificateFile)))
	}
	return &Authority{certificate: certificates[own], key: key, bundle: text}, nil
}

// Certificate is the authority's own certificate in PEM: what others need to
// trust what it issues.
func (a *Authority) Certificate() []byte { return encode("CERTIFICATE", a.certificate.Raw) }

// Bundle is all that is trusted, in PEM: beside the authority's own certificate,
// that of another one while it takes this one's place, or this one takes its.
func (a *Authority) Bundle() []byte { return append([]byte(nil), a.bundle...) }

// Key is the authority's own key in PEM. Who has it is the authority: it goes to
// members alone.
func (a *Authority) Key() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("write the certificate authority's key: %w", err)
	}
	return encode("PRIVATE KEY", der), nil
}

// Issue makes a key and a certificate for it, both in PEM, that says that who holds
// it; a machine's is good for each of hosts (a DNS name or an IP address), of which it
// needs at least one.
func (a *Authority) Issue(who access.Identity, hosts []string) (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("issue a certificate for %s: %w", who, err)
	}
	certPEM, err = a.issue(key.Public(), access.Grant{Who: who, Hosts: hosts, Life: who.Kind.Life()})
	return certPEM, keyPEM, err
}

func (a *Authority) issue(public crypto.PublicKey, grant access.Grant) ([]byte, error) {
	doing := func(err error) error { return fmt.Errorf("issue a certificate for %s: %w", grant.Who, err) }
	template, err := request(grant.Who, grant.Hosts)
	if err != nil {
		return nil, doing(err)
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-min(clockSkew, grant.Life/10)), now.Add(grant.Life)
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	certPEM, err := sign(template, a.certificate, public, a.key)
	if err != nil {
		return nil, doing(err)
	}
	return certPEM, nil
}

var dnsName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

func request(who access.Identity, hosts []string) (*x509.Certificate, error) {
	if who.Name == "" || len(who.Name) > access.MaxNameBytes {
		return nil, fmt.Errorf("a name has 1 to %d characters", access.MaxNameBytes)
	}
	template := &x509.Certificate{
		Subject:     subject(who),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	switch who.Kind {
	case access.Member, access.Worker:
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		if len(hosts) == 0 {
			return nil, errors.New("a server's certificate needs a host name or address")
		}
	case access.Local, access.Person:
	default:
		return nil, fmt.Errorf("unknown kind %q", who.Kind)
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			if ip.String() != host { // one address, two texts: who compares them would be deceived
				return nil, fmt.Errorf("host %q is the address %s written in another way", host, ip)
			}
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if dnsName.MatchString(host) {
			template.DNSNames = append(template.DNSNames, host)
		} else {
			return nil, fmt.Errorf("host %q is neither a DNS name nor an IP address", host)
		}
	}
	return template, nil
}

func selfSigned(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "argosy"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(access.AuthorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
}

// sign makes template a certificate of public, issued by parent, or by itself
// where there is none. The serial number is 20 random bytes of crypto/x509's.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return encode("CERTIFICATE", der), nil
}

func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, encode("PRIVATE KEY", der), nil
}

func matches(certificate *x509.Certificate, key crypto.Signer) bool {
	return same(key.Public(), certificate.PublicKey)
}
