package authority

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/core/access"
)

// issued puts a certificate and key of a into a new folder, with a's own
// certificate, and returns the three files in the order of LoadServer.
func issued(t *testing.T, a *Authority, name string, kind access.Kind) (authority, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	authority, cert, key = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "machine.crt"), filepath.Join(dir, "machine.key")
	write(t, authority, string(a.Certificate()))
	reissue(t, a, name, kind, cert, key)
	return authority, cert, key
}

func reissue(t *testing.T, a *Authority, name string, kind access.Kind, cert, key string) {
	t.Helper()
	certPEM, keyPEM, err := a.Issue(access.Identity{Kind: kind, Name: name}, []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert, string(certPEM))
	write(t, key, string(keyPEM))
}

// meet has a client and a server shake hands and says whom each met. With TLS 1.3
// a client hears of its refusal at its first read.
func meet(t *testing.T, server, client *tls.Config) (clientName, serverName string, serverErr, clientErr error) {
	t.Helper()
	near, far := net.Pipe()
	serving := tls.Server(far, server)
	met := make(chan error, 1)
	go func() {
		_, err := serving.Write([]byte("!")) // shakes hands first
		far.Close()
		met <- err
	}()
	client = client.Clone()
	client.ServerName = "127.0.0.1"
	calling := tls.Client(near, client)
	_, clientErr = calling.Read(make([]byte, 1))
	near.Close()
	serverErr = <-met
	if serverErr == nil && clientErr == nil {
		clientName = serving.ConnectionState().PeerCertificates[0].Subject.CommonName
		serverName = calling.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	return clientName, serverName, serverErr, clientErr
}

func TestBothSidesKnowEachOther(t *testing.T) {
	a, _ := create(t)
	server, err := LoadServer(issued(t, a, "core-01", access.Member))
	if err != nil {
		t.Fatal(err)
	}
	client, err := LoadClient(issued(t, a, "local", access.Local))
	if err != nil {
		t.Fatal(err)
	}
	clientName, serverName, serverErr, clientErr := meet(t, server, client)
	if clientName != "local" || serverName != "core-01" {
		t.Errorf("met %q and %q (%v, %v)", clientName, serverName, serverErr, clientErr)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	a, _ := create(t)
	stranger, _ := create(t)
	server, err := LoadServer(issued(t, a, "core-01", access.Member))
	if err != nil {
		t.Fatal(err)
	}
	trusting, err := LoadClient(issued(t, a, "local", access.Local))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := LoadClient(issued(t, stranger, "local", access.Local))
	if err != nil {
		t.Fatal(err)
	}
	foreignButTrusting := foreign.Clone()
	foreignButTrusting.RootCAs = trusting.RootCAs
	nameless := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: trusting.RootCAs}
	old := trusting.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12

	for name, client := range map[string]*tls.Config{
		"no certificate": nameless, "another authority's": foreignButTrusting, "TLS 1.2": old,
	} {
		if _, _, err, _ := meet(t, server, client); err == nil {
			t.Errorf("the server accepted a client with %s", name)
		}
	}
	if _, _, _, err := meet(t, server, foreign); err == nil {
		t.Error("a client accepted a server of another authority")
	}
}

func TestReplacedFilesAreTakenUp(t *testing.T) {
	a, _ := create(t)
	authorityFile, cert, key := issued(t, a, "core-01", access.Member)
	server, err := LoadServer(authorityFile, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := LoadClient(issued(t, a, "local", access.Local))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		if _, got, serverErr, clientErr := meet(t, server, client); got != want {
			t.Errorf("met %q, want %q (%v, %v)", got, want, serverErr, clientErr)
		}
	}
	expect("core-01")
	oldCert, oldKey := cert+".old", key+".old"
	rename(t, cert, oldCert)
	rename(t, key, oldKey)
	expect("core-01") // nothing there
	reissue(t, a, "core-02", access.Member, cert, key+".new")
	rename(t, oldKey, key)
	expect("core-01") // half of it replaced
	rename(t, key+".new", key)
	expect("core-02")
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	a, _ := create(t)
	stranger, _ := create(t)
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, authority, cert, key string)
		want  string
	}{
		{"no authority", func(t *testing.T, authority, _, _ string) { remove(t, authority) }, "ca.crt"},
		{"authority not PEM", func(t *testing.T, authority, _, _ string) { write(t, authority, "x") }, "ca.crt: no certificate in PEM form"},
		{"no certificate", func(t *testing.T, _, cert, _ string) { remove(t, cert) }, "machine.crt"},
		{"certificate not PEM", func(t *testing.T, _, cert, _ string) { write(t, cert, "x") }, "machine.crt with"},
		{"no key", func(t *testing.T, _, _, key string) { remove(t, key) }, "machine.key"},
		{"key cut off", func(t *testing.T, _, _, key string) { write(t, key, "-----BEGIN PRIVATE KEY-----\nMIG") }, "machine.key: "},
		{"key of another", func(t *testing.T, _, _, key string) { reissue(t, a, "core-02", access.Person, key+".crt", key) }, "does not match"},
		{"another authority's certificate", func(t *testing.T, _, cert, key string) { reissue(t, stranger, "core-01", access.Person, cert, key) }, "was not issued by the authority of"},
		{"key readable by all", func(t *testing.T, _, _, key string) {
			if err := os.Chmod(key, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "its mode 0644 lets others use this key: chmod 640"},
	} {
		t.Run(c.name, func(t *testing.T) {
			authority, cert, key := issued(t, a, "core-01", access.Member)
			c.spoil(t, authority, cert, key)
			for side, load := range map[string]func(a, c, k string) (*tls.Config, error){"server": LoadServer, "client": LoadClient} {
				if _, err := load(authority, cert, key); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v, want %q in it", side, err, c.want)
				}
			}
		})
	}
}
