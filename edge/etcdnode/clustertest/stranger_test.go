package clustertest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"testing"

	"argosy/core/access"
	"argosy/edge/authority"
)

// TestStrangersAreRefused knocks at the doors of clients and of peers.
func TestStrangersAreRefused(t *testing.T) {
	c := start(t)
	other, err := authority.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.file("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	trusting := x509.NewCertPool()
	trusting.AppendCertsFromPEM(text)
	certPEM, keyPEM, err := other.Issue(access.Identity{Kind: access.Local, Name: "local"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	old := c.tls("local")
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12

	m := c.members[0]
	for _, port := range []int{2379, 2380} {
		for _, caller := range []struct {
			name   string
			config *tls.Config
		}{
			{"no certificate", &tls.Config{RootCAs: trusting}},
			{"another authority's certificate", &tls.Config{RootCAs: trusting, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &foreign, nil // shown even though the server does not name its issuer
			}}},
			{"TLS 1.2", old},
		} {
			if status, body, err := get(caller.config, m.url(port)+"/version"); err == nil {
				t.Errorf("port %d, %s: %d %q", port, caller.name, status, body)
			}
		}
		plain := "http" + m.url(port)[len("https"):] + "/version"
		if status, body, err := get(nil, plain); err == nil && status == http.StatusOK {
			t.Errorf("port %d, plain HTTP: %d %q", port, status, body)
		}
		if status, body, err := get(c.tls("local"), m.url(port)+"/version"); err != nil || status != http.StatusOK {
			t.Errorf("port %d, a certificate of ours: %d %q, %v", port, status, body, err)
		}
	}
}

func get(config *tls.Config, url string) (status int, body string, err error) {
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}
