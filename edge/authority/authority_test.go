package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/core/access"
)

func create(t *testing.T) (*Authority, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	a, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

func leaf(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		t.Fatalf("want one PEM block, got %q", text)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestCreateWritesPrivateFiles(t *testing.T) {
	_, dir := create(t)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o, want 0600", entry.Name(), info.Mode().Perm())
		}
		names = append(names, entry.Name())
	}
	if got := strings.Join(names, " "); got != "ca.crt ca.key" {
		t.Errorf("Create left %q, want only ca.crt and ca.key", got)
	}
}

func TestCreateRefusesToOverwrite(t *testing.T) {
	a, dir := create(t)
	if _, err := Create(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: %v, want %v", err, fs.ErrExist)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Certificate()) != string(a.Certificate()) {
		t.Error("the second Create changed the authority")
	}
}

func TestCreateGoesOnAfterCrash(t *testing.T) {
	_, dir := create(t)
	if err := os.Remove(filepath.Join(dir, CertificateFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); err != nil {
		t.Errorf("Create over the key that a crash left: %v", err)
	}
}

func TestIssue(t *testing.T) {
	a, _ := create(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.Certificate())
	certPEM, _, err := a.Issue(access.Identity{Kind: access.Member, Name: "core-01"}, []string{"core-01", "10.99.0.11", "localhost", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	certificate := leaf(t, certPEM)
	if certificate.Subject.CommonName != "core-01" {
		t.Errorf("common name %q", certificate.Subject.CommonName)
	}
	for _, host := range []string{"core-01", "10.99.0.11", "localhost", "::1"} {
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
			t.Errorf("as server %s: %v", host, err)
		}
	}
	if certificate.NotBefore.After(time.Now()) || certificate.NotAfter.After(a.certificate.NotAfter) {
		t.Errorf("valid from %v to %v, outlives its authority or begins too late", certificate.NotBefore, certificate.NotAfter)
	}

	certPEM, _, err = a.Issue(access.Identity{Kind: access.Local, Name: "local"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	certificate = leaf(t, certPEM)
	client := x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := certificate.Verify(client); err != nil {
		t.Errorf("as client: %v", err)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: pool}); err == nil {
		t.Error("a client's certificate was good for a server")
	}
}

func TestACertificateSaysWhoHoldsIt(t *testing.T) {
	a, _ := create(t)
	const id = "0123456789abcdef0123456789abcdef"
	for _, who := range []access.Identity{
		{Kind: access.Member, Name: id},
		{Kind: access.Worker, Name: id, Generation: 3},
		{Kind: access.Local, Name: id},
		{Kind: access.Person, Name: "alice@example.org"},
	} {
		certPEM, _, err := a.Issue(who, []string{"core-01"})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := IdentityOf(leaf(t, certPEM)); got != who || err != nil {
			t.Errorf("%v is read back as %v, %v", who, got, err)
		}
	}
	for want, name := range map[string]pkix.Name{
		"not one organizational unit":  {CommonName: id},
		"32 lower-case hexadecimal":    {CommonName: "core-01", OrganizationalUnit: []string{"member"}},
		"no kind of identity":          {CommonName: "root", OrganizationalUnit: []string{"root"}},
		"has not one organizational u": {CommonName: id, OrganizationalUnit: []string{"worker", "member"}},
	} {
		if got, err := IdentityOf(&x509.Certificate{Subject: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, %v; want %q", name, got, err, want)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	a, _ := create(t)
	for _, c := range []struct {
		name  string
		hosts []string
		kind  access.Kind
		want  string
	}{
		{"", []string{"a"}, access.Member, "1 to 64"},
		{strings.Repeat("n", 65), nil, access.Person, "1 to 64"},
		{"core-01", nil, access.Member, "needs a host"},
		{"core-01", []string{"core-01:2379"}, access.Member, `host "core-01:2379"`},
		{"core-01", []string{""}, access.Member, `host ""`},
		{"core-01", []string{"a..b"}, access.Member, `host "a..b"`},
		{"core-01", []string{"::ffff:10.0.0.2"}, access.Worker, `host "::ffff:10.0.0.2" is the address 10.0.0.2 written in another way`},
		{"core-01", []string{"0:0:0:0:0:ffff:a00:2"}, access.Worker, "is the address 10.0.0.2 written in another way"},
		{"core-01", []string{"2001:DB8::1"}, access.Worker, "is the address 2001:db8::1 written in another way"},
		{"core-01", []string{"a"}, "root", `unknown kind "root"`},
	} {
		if _, _, err := a.Issue(access.Identity{Kind: c.kind, Name: c.name}, c.hosts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Issue(%q, %q, %s): %v, want %q in it", c.name, c.hosts, c.kind, err, c.want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	other, _ := create(t)
	leafPEM, leafKey, err := other.Issue(access.Identity{Kind: access.Member, Name: "core-01"}, []string{"core-01"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, cert, key string)
		want  string
	}{
		{"no certificate", func(t *testing.T, cert, _ string) { remove(t, cert) }, "ca.crt"},
		{"no key", func(t *testing.T, _, key string) { remove(t, key) }, "ca.key"},
		{"certificate not PEM", func(t *testing.T, cert, _ string) { write(t, cert, "hello") }, "ca.crt: no certificate in PEM form"},
		{"certificate's PEM holds rubbish", func(t *testing.T, cert, _ string) { write(t, cert, string(encode("CERTIFICATE", []byte("x")))) }, "ca.crt: x509"},
		{"key not PEM", func(t *testing.T, _, key string) { write(t, key, "") }, "no private key in PEM form"},
		{"key's PEM holds rubbish", func(t *testing.T, _, key string) { write(t, key, string(encode("PRIVATE KEY", []byte("x")))) }, "ca.key: asn1"},
		{"another key", func(t *testing.T, _, key string) { write(t, key, string(leafKey)) }, "ca.key does not belong to ca.crt"},
		{"no authority's certificate", func(t *testing.T, cert, key string) {
			write(t, cert, string(leafPEM))
			write(t, key, string(leafKey))
		}, "not an authority's"},
		{"key readable by a group", func(t *testing.T, _, key string) {
			if err := os.Chmod(key, 0o640); err != nil {
				t.Fatal(err)
			}
		}, "its mode 0640 lets others use this key: chmod 600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, dir := create(t)
			c.spoil(t, filepath.Join(dir, CertificateFile), filepath.Join(dir, KeyFile))
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open: %v, want %q in it", err, c.want)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}
