//go:build machines

package attack

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
)

// ports are those that machines open to their network.
var ports = []string{clientPort, peerPort, apiPort}

// knocking bounds one attempt.
const knocking = 10 * time.Second

// knock says one thing at a machine's port and returns what comes back. With secrets
// it is said through TLS; a handshake that fails is the error, as is a connection
// that ends without a word.
func (m *machines) knock(t *testing.T, machine, port string, secrets *tls.Config, words string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), knocking)
	defer cancel()
	conn, err := m.dial(ctx, net.JoinHostPort(m.address(machine), port))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(knocking))
	if secrets != nil {
		over := tls.Client(conn, secrets)
		if err := over.HandshakeContext(ctx); err != nil {
			return "", err
		}
		conn = over
	}
	if _, err := io.WriteString(conn, words); err != nil {
		return "", err
	}
	answer := make([]byte, 64<<10)
	n, err := io.ReadAtLeast(conn, answer, 1)
	return string(answer[:n]), err
}

const hello = "GET /version HTTP/1.1\r\nHost: there\r\nConnection: close\r\n\r\n"

// forger makes certificates that the cluster did not ask for.
type forger struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// stolenAuthority has the cluster's own key: it shows what is refused of what was
// signed rightly.
func stolenAuthority(t *testing.T) forger {
	t.Helper()
	var f forger
	for file, take := range map[string]func([]byte) error{
		"ca.crt": func(der []byte) (err error) { f.certificate, err = x509.ParseCertificate(der); return err },
		"ca.key": func(der []byte) error {
			key, err := x509.ParsePKCS8PrivateKey(der)
			f.key, _ = key.(*ecdsa.PrivateKey)
			return err
		},
	} {
		text, err := os.ReadFile(target.path("authority/" + file))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		if err := take(block.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// issue makes a certificate that holds from one moment to another.
func (f forger) issue(t *testing.T, name pkix.Name, from, until time.Time, uses ...x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	key := goodKey(t)
	return tls.Certificate{Certificate: [][]byte{f.issueFor(t, &key.PublicKey, name, from, until, uses...)}, PrivateKey: key}
}

// issueFor makes one for a key.
func (f forger) issueFor(t *testing.T, public *ecdsa.PublicKey, name pkix.Name, from, until time.Time, uses ...x509.ExtKeyUsage) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: name, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: uses,
	}, f.certificate, public, f.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// showing is a client that trusts anybody and shows these certificates.
func showing(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, Certificates: certificates} //nolint:gosec // an attacker does not care
}

// At every port that a machine opens to the network, who has not the right
// certificate hears no word but why.
func TestNobodyGetsInUnasked(t *testing.T) {
	target.unharmed(t)
	strangers, err := authority.Create(t.TempDir() + "/pki")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := strangers.Issue(access.Identity{Kind: access.Member, Name: target.id(member)}, []string{target.address(member)})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	forged := stolenAuthority(t)
	now := time.Now()
	mine := pkix.Name{OrganizationalUnit: []string{"member"}, CommonName: target.id(member)}
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	old := target.secrets(t, member, "machine")
	old.InsecureSkipVerify = true //nolint:gosec // an attacker does not care
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	weak := showing()
	weak.MinVersion, weak.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 //nolint:gosec // a downgrade

	for _, port := range ports {
		for what, c := range map[string]struct {
			secrets *tls.Config
			says    string
		}{
			"plain text":                         {nil, ""},
			"no certificate":                     {showing(), "certificate required"},
			"a certificate of another authority": {showing(stranger), "certificate"},
			"an expired certificate":             {showing(forged.issue(t, mine, now.Add(-2*time.Hour), now.Add(-time.Hour), both...)), "expired certificate"},
			"a certificate of tomorrow":          {showing(forged.issue(t, mine, now.Add(time.Hour), now.Add(2*time.Hour), both...)), "certificate"},
			"a certificate for servers alone":    {showing(forged.issue(t, mine, now.Add(-time.Hour), now.Add(time.Hour), x509.ExtKeyUsageServerAuth)), "certificate"},
			"TLS 1.2 with a member's":            {old, "protocol version not supported"},
			"TLS 1.1":                            {weak, "protocol version not supported"},
		} {
			t.Run(port+"/"+what, func(t *testing.T) {
				answer, err := target.knock(t, member, port, c.secrets, hello)
				refusal := answer
				if err != nil {
					refusal = err.Error()
				}
				if strings.Contains(answer, " 200 ") || err == nil && c.secrets != nil || !strings.Contains(refusal, c.says) {
					t.Errorf("answered %q, %v; expected %q", answer, err, c.says)
				}
			})
		}
	}
}

// The port of the members' own is for members: not even the certificates that the
// cluster's other machines have open it.
func TestPeersAreMembersAlone(t *testing.T) {
	target.unharmed(t)
	for _, c := range []struct{ machine, pair string }{{worker, "machine"}, {worker, "local"}, {member, "machine"}, {member, "local"}} {
		config, err := tls.LoadX509KeyPair(target.pki(c.machine, c.pair+".crt"), target.pki(c.machine, c.pair+".key"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := target.knock(t, member, peerPort, showing(config), "GET /members HTTP/1.1\r\nHost: there\r\n\r\n")
		if err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s of %s at the members' port: %q, %v", c.pair, c.machine, answer, err)
		}
	}
	for _, file := range []string{"ca.key", "peer-ca.key", "peer.key", "peer.crt", "secrets.key"} {
		if _, err := os.Stat(target.pki(worker, file)); err == nil {
			t.Errorf("a worker has %s", file)
		}
	}
}

// A member's certificate is no authority: what it signs is nobody's.
func TestALeafSignsNothing(t *testing.T) {
	pair, err := tls.LoadX509KeyPair(target.pki(worker, "machine.crt"), target.pki(worker, "machine.key"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	key, _ := pair.PrivateKey.(*ecdsa.PrivateKey)
	made := forger{leaf, key}.issue(t, pkix.Name{OrganizationalUnit: []string{"member"}, CommonName: target.id(member)},
		time.Now().Add(-time.Hour), time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth)
	made.Certificate = append(made.Certificate, pair.Certificate...)
	for _, port := range ports {
		if answer, err := target.knock(t, member, port, showing(made), hello); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("port %s: %q, %v", port, answer, err)
		}
	}
}
