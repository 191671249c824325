package authority

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// LoadServer reads a server's TLS configuration from files in PEM: it shows the
// certificate and wants one of every client, issued by one of the authorities.
// Files that are replaced on disk are used from the next handshake on. Whoever sets
// more in it (NextProtos) does so before it is used and copied: a handshake looks here.
func LoadServer(authorityFile, certFile, keyFile string) (*tls.Config, error) {
	trusted, pair, err := load(authorityFile, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load the server's TLS files: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  trusted.pool,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return pair.current(), nil
		},
	}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := config.Clone()
		now.GetConfigForClient, now.ClientCAs = nil, trusted.current()
		return now, nil
	}
	return config, nil
}

// LoadJoin reads the TLS configuration of a server for those who have no
// certificate yet: beside its own it shows its authority's, which they know by a
// pin (see Pinned). Files are taken up anew as by LoadServer.
func LoadJoin(authorityFile, certFile, keyFile string) (*tls.Config, error) {
	trusted, pair, err := load(authorityFile, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load the join server's TLS files: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			own := *pair.current()
			own.Certificate = append(own.Certificate[:1:1], trusted.issuer(own.Leaf)...)
			return &own, nil
		},
	}, nil
}

// LoadClient reads a client's TLS configuration from files in PEM: it shows the
// certificate, if certFile names one, and trusts servers of the authorities only.
// A certificate is taken up anew as by LoadServer; other authorities need a new
// call, because crypto/tls gives a client no way to ask for them at a handshake.
func LoadClient(authorityFile, certFile, keyFile string) (*tls.Config, error) {
	if certFile == "" {
		trusted := &trust{file: authorityFile}
		if err := trusted.read(); err != nil {
			return nil, fmt.Errorf("load the client's TLS files: %w", err)
		}
		return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: trusted.pool}, nil
	}
	trusted, pair, err := load(authorityFile, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load the client's TLS files: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    trusted.pool,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return pair.current(), nil
		},
	}, nil
}

// LoadAuthorities reads authorities from a file, and again whenever they are asked for
// after it was replaced.
func LoadAuthorities(file string) (func() *x509.CertPool, error) {
	trusted := &trust{file: file}
	if err := trusted.read(); err != nil {
		return nil, fmt.Errorf("load the authorities: %w", err)
	}
	return trusted.current, nil
}

func load(authorityFile, certFile, keyFile string) (*trust, *pair, error) {
	trusted := &trust{file: authorityFile}
	if err := trusted.read(); err != nil {
		return nil, nil, err
	}
	files := &pair{certFile: certFile, keyFile: keyFile}
	if err := files.read(); err != nil {
		return nil, nil, err
	}
	if !issuedBy(trusted.pool, files.loaded) {
		return nil, nil, fmt.Errorf("%s was not issued by the authority of %s", certFile, authorityFile)
	}
	return trusted, files, nil
}

// trust is a bundle of authorities, as its file holds it now.
type trust struct {
	file string

	mutex  sync.Mutex
	pool   *x509.CertPool
	bundle []*x509.Certificate
	info   fs.FileInfo // of what is loaded
}

// current reads the file again if it was replaced. One that cannot be read changes
// nothing.
func (t *trust) current() *x509.CertPool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if !unchanged(t.file, t.info) {
		_ = t.read() // a handshake tells the other side if it is not trusted
	}
	return t.pool
}

// issuer is the certificate of the authority that issued another.
func (t *trust) issuer(of *x509.Certificate) [][]byte {
	t.current()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, ca := range t.bundle {
		if of.CheckSignatureFrom(ca) == nil {
			return [][]byte{ca.Raw}
		}
	}
	return nil
}

func (t *trust) read() error {
	file, err := os.Open(t.file)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat() // before it is read, as in pair.read
	if err != nil {
		return err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	bundle, err := parseCertificates(text)
	if err != nil {
		return fmt.Errorf("%s: %w", t.file, err)
	}
	pool := x509.NewCertPool()
	for _, certificate := range bundle {
		pool.AddCert(certificate)
	}
	t.pool, t.bundle, t.info = pool, bundle, info
	return nil
}

// issuedBy leaves the time out: whether a certificate has ended is judged at each
// handshake, and a machine that boots with a wrong clock gets a right one later.
func issuedBy(pool *x509.CertPool, certificate *tls.Certificate) bool {
	between := x509.NewCertPool()
	for _, der := range certificate.Certificate[1:] {
		if more, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(more)
		}
	}
	_, err := certificate.Leaf.Verify(x509.VerifyOptions{
		Roots:         pool,
		Intermediates: between,
		CurrentTime:   certificate.Leaf.NotBefore,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}

// pair is a certificate with its key, as the files hold them now.
type pair struct {
	certFile, keyFile string

	mutex             sync.Mutex
	loaded            *tls.Certificate
	certInfo, keyInfo fs.FileInfo // of what is loaded
}

// current reads the files again if they were replaced. While they do not fit
// together, as between the replacing of one and the other, the old pair stands.
func (p *pair) current() *tls.Certificate {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !unchanged(p.certFile, p.certInfo) || !unchanged(p.keyFile, p.keyInfo) {
		_ = p.read() // the handshake tells the other side if the old pair has ended
	}
	return p.loaded
}

func (p *pair) read() error {
	// Looked at before they are read, so that a change in between is seen later.
	certInfo, err := os.Stat(p.certFile)
	if err != nil {
		return err
	}
	keyInfo, err := os.Stat(p.keyFile)
	if err != nil {
		return err
	}
	if err := private(p.keyFile, noOthers); err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return fmt.Errorf("%s with %s: %w", p.certFile, p.keyFile, err)
	}
	p.loaded, p.certInfo, p.keyInfo = &certificate, certInfo, keyInfo
	return nil
}

// unchanged reports whether a file is the one that before describes.
func unchanged(name string, before fs.FileInfo) bool {
	now, err := os.Stat(name)
	return err == nil && os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}
