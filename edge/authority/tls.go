package authority

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// LoadServer reads a server's TLS configuration from files in PEM: it shows the
// certificate and wants one of every client, issued by the authority. A
// certificate and key that are replaced on disk are used from the next handshake
// on; another authority needs a new call.
func LoadServer(authorityFile, certFile, keyFile string) (*tls.Config, error) {
	pool, pair, err := load(authorityFile, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load the server's TLS files: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  pool,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return pair.current(), nil
		},
	}, nil
}

// LoadClient reads a client's TLS configuration from files in PEM: it shows the
// certificate, if certFile names one, and trusts servers of the authority only.
// Files are taken up anew as by LoadServer.
func LoadClient(authorityFile, certFile, keyFile string) (*tls.Config, error) {
	if certFile == "" {
		pool, err := loadPool(authorityFile)
		if err != nil {
			return nil, fmt.Errorf("load the client's TLS files: %w", err)
		}
		return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool}, nil
	}
	pool, pair, err := load(authorityFile, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load the client's TLS files: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    pool,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return pair.current(), nil
		},
	}, nil
}

func load(authorityFile, certFile, keyFile string) (*x509.CertPool, *pair, error) {
	pool, err := loadPool(authorityFile)
	if err != nil {
		return nil, nil, err
	}
	files := &pair{certFile: certFile, keyFile: keyFile}
	if err := files.read(); err != nil {
		return nil, nil, err
	}
	if !issuedBy(pool, files.loaded) {
		return nil, nil, fmt.Errorf("%s was not issued by the authority of %s", certFile, authorityFile)
	}
	return pool, files, nil
}

func loadPool(authorityFile string) (*x509.CertPool, error) {
	text, err := os.ReadFile(authorityFile)
	if err != nil {
		return nil, err
	}
	trusted, err := parseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", authorityFile, err)
	}
	pool := x509.NewCertPool()
	for _, certificate := range trusted {
		pool.AddCert(certificate)
	}
	return pool, nil
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
