package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/core/access"
)

const machineID = "0123456789abcdef0123456789abcdef"

// member is the folder of a cluster's first machine.
func member(t *testing.T, life time.Duration) Folder {
	t.Helper()
	f := Folder(filepath.Join(t.TempDir(), "pki"))
	if err := f.Found(); err != nil {
		t.Fatal(err)
	}
	who := access.Identity{Kind: access.Member, Name: machineID}
	for name, grant := range map[string]access.Grant{
		MachineName: {Who: who, Hosts: []string{"core-01", "127.0.0.1"}, Life: life},
		PeerName:    {Who: who, Hosts: []string{"127.0.0.1"}, Life: life},
		LocalName:   {Who: access.Identity{Kind: access.Local, Name: machineID}, Life: life},
	} {
		if err := f.Grant(name, grant); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestAFolderIsMadeOnce(t *testing.T) {
	f := member(t, time.Hour)
	before := readAll(t, f)
	if err := f.Found(); err != nil {
		t.Fatal(err)
	}
	if err := f.Grant(MachineName, access.Grant{Who: access.Identity{Kind: access.Member, Name: machineID}, Hosts: []string{"other"}, Life: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if readAll(t, f) != before {
		t.Error("a second call changed files")
	}
	for name, mode := range map[string]os.FileMode{"ca.crt": 0o644, "ca.key": 0o600, "peer-ca.key": 0o600, "machine.crt": 0o644, "machine.key": 0o640} {
		if info, err := os.Stat(f.path(name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, mode)
		}
	}
}

func readAll(t *testing.T, f Folder) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(string(f))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(f.path(e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(e.Name() + string(text))
	}
	return all.String()
}

// What has ended is renewed by the member itself, for the same key, holder, hosts
// and length of life.
func TestAMemberRenewsItsOwn(t *testing.T) {
	f := member(t, time.Hour)
	soon := time.Now().Add(35 * 24 * time.Hour)
	due, _, err := f.Due(soon, 0)
	if err != nil || len(due) != 3 {
		t.Fatalf("%v, %v", due, err)
	}
	for _, name := range due {
		before, err := f.Held(name)
		if err != nil {
			t.Fatal(err)
		}
		key, _ := os.ReadFile(f.KeyFile(name))
		if err := f.RenewOwn(name); err != nil {
			t.Fatal(err)
		}
		after, err := f.Held(name)
		if err != nil || after.Who != before.Who || strings.Join(after.Hosts, " ") != strings.Join(before.Hosts, " ") || after.By != before.By {
			t.Errorf("%s: %+v, %v; before %+v", name, after, err, before)
		}
		if life := after.Until.Sub(after.From); life > before.Until.Sub(before.From)+time.Hour/5 {
			t.Errorf("%s lasts %s", name, life)
		}
		if again, _ := os.ReadFile(f.KeyFile(name)); string(again) != string(key) {
			t.Errorf("%s has another key", name)
		}
	}
	if due, next, err := f.Due(time.Now(), 0.5); len(due) != 0 || next.IsZero() || err != nil {
		t.Errorf("due %v, next %v, %v", due, next, err)
	}
}

func TestReplaceRefuses(t *testing.T) {
	f, other := member(t, time.Hour), member(t, time.Hour)
	before := readAll(t, f)
	read := func(f Folder, name string) []byte {
		text, err := os.ReadFile(f.CertificateFile(name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	sign := func(name string, who access.Identity) []byte {
		renewal, err := f.Renewal(name)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := f.Sign(renewal.Request, access.Grant{Who: who, Hosts: []string{"a"}, Life: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return []byte(certificate)
	}
	for want, certificate := range map[string][]byte{
		"none of the cluster's authorities issued it": read(other, MachineName),
		"no certificate in PEM form":                  []byte("rubbish"),
		"the new one is for another key":              sign(LocalName, access.Identity{Kind: access.Member, Name: machineID}),
		"the new one is of worker":                    sign(MachineName, access.Identity{Kind: access.Worker, Name: machineID}),
	} {
		if err := f.Replace(MachineName, certificate); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if readAll(t, f) != before {
		t.Error("a refused certificate was taken up")
	}
}

func TestProven(t *testing.T) {
	f, other := member(t, time.Hour), member(t, time.Hour)
	renewal, err := f.Renewal(MachineName)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := f.Proven(renewal); err != nil || held.Who.Name != machineID {
		t.Errorf("%+v, %v", held, err)
	}
	local, _ := f.Renewal(LocalName)
	strange, _ := other.Renewal(MachineName)
	for want, r := range map[string]access.Renewal{
		"is not for the key of the certificate of member": {Certificate: renewal.Certificate, Request: local.Request},
		"none of the cluster's authorities issued it":     strange,
		"expected one certificate request in PEM form":    {Certificate: renewal.Certificate, Request: renewal.Certificate},
	} {
		if _, err := f.Proven(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestRequestsAreRefused(t *testing.T) {
	weak, _ := rsa.GenerateKey(rand.Reader, 2048)
	small, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	good, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	made := func(key any) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	forged := made(good)
	forged[len(forged)-1] ^= 1
	a, _ := create(t)
	for want, request := range map[string][]byte{
		"expected one certificate request":            []byte("rubbish"),
		"has 8193 bytes: expected at most 8192":       make([]byte, 8193),
		"key is a RSA one: expected ECDSA or Ed25519": encode("CERTIFICATE REQUEST", made(weak)),
		"key has 224 bits: expected 256 or more":      encode("CERTIFICATE REQUEST", made(small)),
		"was not made by who holds its key":           encode("CERTIFICATE REQUEST", forged),
		"read the certificate request":                encode("CERTIFICATE REQUEST", []byte("x")),
	} {
		if _, err := a.Sign(request, access.Grant{Who: access.Identity{Kind: access.Person, Name: "alice"}, Life: time.Hour}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Whatever a request says of its holder, the certificate says what was granted.
func TestTheRequestsWordsDoNotCount(t *testing.T) {
	a, _ := create(t)
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "root", OrganizationalUnit: []string{"member"}}, DNSNames: []string{"core-01"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := a.Sign(encode("CERTIFICATE REQUEST", der), access.Grant{Who: access.Identity{Kind: access.Person, Name: "alice"}, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c := leaf(t, certificate)
	if who, err := IdentityOf(c); err != nil || who.String() != "person alice" || len(c.DNSNames)+len(c.IPAddresses) != 0 || c.IsCA {
		t.Errorf("%v %v %v %v", who, err, c.DNSNames, c.IPAddresses)
	}
}

// One who has nothing but the hash meets the cluster and nobody else.
func TestPinned(t *testing.T) {
	f, other := member(t, time.Hour), member(t, time.Hour)
	server := func(f Folder) *tls.Config {
		config, err := LoadJoin(f.BundleFile(), f.CertificateFile(MachineName), f.KeyFile(MachineName))
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	a, err := f.Authority()
	if err != nil {
		t.Fatal(err)
	}
	try := func(server *tls.Config, pin, host string) error {
		near, far := net.Pipe()
		done := make(chan bool)
		go func() {
			_ = tls.Server(far, server).Handshake()
			far.Close()
			close(done)
		}()
		err := tls.Client(near, Pinned(pin, host)).Handshake()
		near.Close()
		<-done
		return err
	}
	if err := try(server(f), a.Pin(), "127.0.0.1"); err != nil {
		t.Error(err)
	}
	worker, err := f.Authority()
	if err != nil {
		t.Fatal(err)
	}
	workersCert, workersKey, err := worker.Issue(access.Identity{Kind: access.Worker, Name: machineID}, []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "w.crt"), string(workersCert))
	write(t, filepath.Join(dir, "w.key"), string(workersKey))
	posing, err := LoadJoin(f.BundleFile(), filepath.Join(dir, "w.crt"), filepath.Join(dir, "w.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		server     *tls.Config
		host, want string
	}{
		{server(other), "127.0.0.1", "does not know the authority " + a.Pin()},
		{server(f), "10.0.0.9", "not 10.0.0.9"},
		{posing, "127.0.0.1", "is a worker: only members let others join"},
	} {
		if err := try(c.server, a.Pin(), c.host); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// A member that serves takes up another authority from the next handshake on.
func TestAReplacedBundleIsTakenUp(t *testing.T) {
	old, next := member(t, time.Hour), member(t, time.Hour)
	server, err := LoadServer(old.BundleFile(), old.CertificateFile(MachineName), old.KeyFile(MachineName))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := LoadClient(next.BundleFile(), next.CertificateFile(LocalName), next.KeyFile(LocalName))
	if err != nil {
		t.Fatal(err)
	}
	trusting, err := LoadClient(old.BundleFile(), old.CertificateFile(LocalName), old.KeyFile(LocalName))
	if err != nil {
		t.Fatal(err)
	}
	stranger.RootCAs = trusting.RootCAs
	if _, _, err, _ := meet(t, server, stranger); err == nil {
		t.Fatal("a stranger was let in")
	}
	first, _ := old.Bundle()
	second, _ := next.Bundle()
	both, err := Join([]byte(first), []byte(second))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Write(CertificateFile, both); err != nil {
		t.Fatal(err)
	}
	if _, _, serverErr, clientErr := meet(t, server, stranger); serverErr != nil || clientErr != nil {
		t.Errorf("%v, %v", serverErr, clientErr)
	}
	if a, err := old.Authority(); err != nil || string(a.Certificate()) != first {
		t.Errorf("the authority with two certificates in its file: %v", err)
	}
	if pins, err := Pins(both); len(pins) != 2 || err != nil {
		t.Error(pins, err)
	}
}
