//go:build machines

package attack

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"argosy/core/access"
	"argosy/edge/authority"
	"argosy/edge/join"
)

const (
	joinPort    = join.Port
	intruder    = "00000000000000000000000000000bad" // the id of a machine that is no member
	intrudersAt = "10.99.0.66"
)

// token makes one on the member, which is gone when the test is over.
func (m *machines) token(t *testing.T, options string) string {
	t.Helper()
	words := strings.Fields(m.must(t, member, "sudo argosy token create "+options))
	for i, word := range words {
		if word == "--token" {
			t.Cleanup(func() { m.must(t, member, "sudo argosy token delete "+words[i+1]) })
			return words[i+1]
		}
	}
	t.Fatalf("argosy token create printed %q", words)
	return ""
}

// wish is what the intruder asks for, rightly but for what change does to it.
func wish(t *testing.T, token string, change func(*access.Wish)) access.Wish {
	t.Helper()
	w := access.Wish{Token: token, Kind: access.Worker, Name: intruder, Host: "intruder", Addresses: []string{intrudersAt}}
	change(&w)
	if _, err := authority.NewKeys(&w); err != nil {
		t.Fatal(err)
	}
	return w
}

func text(t *testing.T, of any) string {
	t.Helper()
	made, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return string(made)
}

// door connects to the port for those who join, as one who trusts anybody.
func (m *machines) door(t *testing.T) net.Conn {
	t.Helper()
	conn, err := m.dial(t.Context(), net.JoinHostPort(m.address(member), joinPort))
	if err != nil {
		t.Fatal(err)
	}
	return tls.Client(conn, showing())
}

const joining, renewing = "/argosy/v2/join", "/argosy/v2/renew"

// refusedWith wants an answer of a status that says so.
func refusedWith(t *testing.T, answer, status, says string) {
	t.Helper()
	if !strings.HasPrefix(answer, "HTTP/1.1 "+status) || !strings.Contains(answer, says) {
		t.Errorf("answered %.400q; expected %s with %q", answer, status, says)
	}
}

func asIs(*access.Wish) {}

// Whoever has no token, a wrong one, one that is over or one for something else gets
// no certificate, and the token is as good as before. (Seen to fail: with a worker's
// token that makes members, and with addresses that were compared as texts alone, the
// intruder got a server's certificate for a member's address.)
func TestTokensAreForWhatTheySay(t *testing.T) {
	target.unharmed(t)
	good := target.token(t, "--uses 2")
	id, _, _ := strings.Cut(good, ".")
	over := target.expired(t)
	for what, c := range map[string]struct{ token, says string }{
		"expired":           {over, "the token is refused: it has expired at 2"},
		"of no id":          {"none.SECRET", "the token is refused: it is not known here"},
		"a wrong secret":    {id + ".SECRET", "the token is refused: it is not known here"},
		"its hash":          {id + "." + access.HashSecret("x"), "the token is refused: it is not known here"},
		"no secret":         {id + ".", "expected ID.SECRET"},
		"a path":            {"../people/root.x", "expected ID.SECRET"},
		"a secret of 1 KiB": {id + "." + strings.Repeat("x", 1024), "expected ID.SECRET"},
	} {
		t.Run(what, func(t *testing.T) {
			refusedWith(t, ask(t, target.door(t), request("POST", joining, asJSON, text(t, wish(t, c.token, asIs)))), "403", c.says)
		})
	}
	before := target.listed(t, id)
	for what, c := range map[string]struct {
		change func(*access.Wish)
		says   string
	}{
		"to be a member":              {func(w *access.Wish) { w.Kind = access.Member }, "it is for a worker, not for a member"},
		"to be a person":              {func(w *access.Wish) { *w = access.Wish{Token: w.Token, Kind: access.Person, Name: "root"} }, "it is for a worker, not for a person"},
		"to be local programs":        {func(w *access.Wish) { w.Kind = access.Local }, "local programs join with their machine"},
		"to be root":                  {func(w *access.Wish) { w.Kind = "root" }, "no kind of identity"},
		"a member's id":               {func(w *access.Wish) { w.Name = target.id(member) }, "is in the cluster"},
		"a worker's id":               {func(w *access.Wish) { w.Name = target.id(worker) }, "is in the cluster"},
		"an id that is a path":        {func(w *access.Wish) { w.Name = "../../people/root" }, "32 lower-case hexadecimal digits"},
		"a member's name":             {func(w *access.Wish) { w.Host = strings.ToUpper(member) }, "is called " + member + " already"},
		"a member's address":          {func(w *access.Wish) { w.Addresses = []string{target.address(member)} }, "has the address"},
		"a member's address, second":  {func(w *access.Wish) { w.Addresses = []string{intrudersAt, target.address(member)} }, "has the address"},
		"a member's address as name":  {func(w *access.Wish) { w.Host = target.address(member) }, "is no host name"},
		"a member's address as IPv6":  {func(w *access.Wish) { w.Addresses = []string{"::ffff:" + target.address(member)} }, "is no address"},
		"a member's address, long":    {func(w *access.Wish) { w.Addresses = []string{"0:0:0:0:0:ffff:" + target.address(member)} }, "written in another way"},
		"a member's address in 0 and": {func(w *access.Wish) { w.Addresses = []string{"0::ffff:" + target.address(member)} }, "written in another way"},
		"a wildcard":                  {func(w *access.Wish) { w.Host = "*" }, "is no host name"},
		"a list of members":           {func(w *access.Wish) { w.Host = "a=https,b" }, "is no host name"},
		"an address that is a name":   {func(w *access.Wish) { w.Addresses = []string{member} }, "is no address"},
		"an address with a port":      {func(w *access.Wish) { w.Addresses = []string{intrudersAt + ":2380"} }, "neither a DNS name nor an IP address"},
		"no address":                  {func(w *access.Wish) { w.Addresses = nil }, "0 addresses"},
	} {
		t.Run(what, func(t *testing.T) {
			refusedWith(t, ask(t, target.door(t), request("POST", joining, asJSON, text(t, wish(t, good, c.change)))), "403", c.says)
		})
	}
	if after := target.listed(t, id); after != before {
		t.Errorf("the token was %q, and is %q", before, after)
	}
}

// listed is what a member says of a token.
func (m *machines) listed(t *testing.T, id string) string {
	return m.must(t, member, "sudo argosy token list | grep "+id)
}

// expired is a token that was good until a minute ago.
func (m *machines) expired(t *testing.T) string {
	t.Helper()
	const id, secret = "overandover", "SECRET"
	client := m.store(t, member, m.secrets(t, member, "machine"))
	t.Cleanup(func() { _ = client.Close() })
	value := text(t, access.Token{
		Hash: access.HashSecret(secret), Kind: access.Worker, Uses: 9, Expires: time.Now().Add(-time.Minute), At: time.Now().Add(-time.Hour),
	})
	if _, err := client.Put(t.Context(), "/argosy/v1/tokens/"+id, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Delete(context.WithoutCancel(t.Context()), "/argosy/v1/tokens/"+id) })
	return id + "." + secret
}

// A join that is seen and sent again, or sent by many at once, gets as many
// certificates as the token is good for, and each says what the token allows,
// whatever its request says. (Seen to fail: with the token written back without
// comparing its revision, all of them got one.)
func TestAJoinIsNotReplayed(t *testing.T) {
	target.unharmed(t)
	wished := text(t, wish(t, target.token(t, "--uses 1"), func(*access.Wish) {}))
	const atOnce = 12 // fewer than the port works on, so that nobody is told to come again
	answers := make(chan string, atOnce)
	var all sync.WaitGroup
	for range atOnce {
		conn := target.door(t)
		all.Go(func() { answers <- ask(t, conn, request("POST", joining, asJSON, wished)) })
	}
	all.Wait()
	close(answers)
	granted := ""
	for answer := range answers {
		if strings.HasPrefix(answer, "HTTP/1.1 200") && granted == "" {
			granted = answer
			continue
		}
		refusedWith(t, answer, "403", "it was used as often as it may be")
	}
	refusedWith(t, ask(t, target.door(t), request("POST", joining, asJSON, wished)), "403", "it was used as often as it may be")
	var got access.Answer
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(granted)), nil)
	if err == nil {
		defer response.Body.Close()
		err = json.NewDecoder(response.Body).Decode(&got)
	}
	if err != nil {
		t.Fatalf("granted %.300q: %v", granted, err)
	}
	held, err := authority.Verified([]byte(got.Certificates.Own), []byte(got.Bundle))
	if err != nil || held.Who != (access.Identity{Kind: access.Worker, Name: intruder}) {
		t.Errorf("the certificate is of %s, %v", held.Who, err)
	}
	if got.Membership != nil || strings.Contains(granted, "PRIVATE KEY") {
		t.Error("a worker was given what members have")
	}
}

// What is no request is no certificate either, however large, deep or strange. (Seen
// to fail: with fields that nobody knows passed over, one was granted.)
func TestJoinRequestsThatAreNone(t *testing.T) {
	target.unharmed(t)
	good := target.token(t, "")
	id, _, _ := strings.Cut(good, ".")
	before := target.listed(t, id)
	rightly := text(t, wish(t, good, asIs))
	with := func(request string) string {
		w := wish(t, good, asIs)
		w.Requests.Own = request
		return text(t, w)
	}
	for what, c := range map[string]struct{ words, status, says string }{
		"no HTTP":              {"EHLO there\r\n\r\n", "400", ""},
		"looking":              {request("GET", joining, asJSON, ""), "405", ""},
		"elsewhere":            {request("POST", "/argosy/v2/units", asJSON, rightly), "404", ""},
		"the fleet API":        {request("GET", "/fleet/v2/machines", asJSON, ""), "404", ""},
		"a path around":        {request("POST", joining+"/../../v2/claims", asJSON, rightly), "307", ""},
		"no JSON":              {request("POST", joining, asJSON, "token="+good), "400", "read the request"},
		"two wishes":           {request("POST", joining, asJSON, rightly+rightly), "400", "more than one JSON value"},
		"a field of its own":   {request("POST", joining, asJSON, strings.Replace(rightly, "{", `{"generation":9,`, 1)), "400", "unknown field"},
		"JSON 20,000 deep":     {request("POST", joining, asJSON, strings.Repeat(`{"requests":`, 20_000)), "400", "read the request"},
		"a body of 1 MiB":      {request("POST", joining, asJSON, `{"token":"`+strings.Repeat("x", 1<<20)+`"}`), "400", "too large"},
		"a header of 64 KiB":   {"POST " + joining + " HTTP/1.1\r\nHost: there\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431", ""},
		"two lengths":          {"POST " + joining + " HTTP/1.1\r\nHost: there\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + rightly, "400", ""},
		"a request of no PEM":  {request("POST", joining, asJSON, with("PEM")), "403", "expected one certificate request in PEM form"},
		"a certificate":        {request("POST", joining, asJSON, with(target.read(t, target.pki(worker, "machine.crt")))), "403", "expected one certificate request in PEM form"},
		"a request of 64 KiB":  {request("POST", joining, asJSON, with(strings.Repeat("x", 60<<10))), "403", "at most 8192"},
		"a key of RSA":         {request("POST", joining, asJSON, with(requestFor(t, rsaKey(t)))), "403", "expected ECDSA or Ed25519"},
		"a key that is short":  {request("POST", joining, asJSON, with(requestFor(t, shortKey(t)))), "403", "expected 256 or more"},
		"somebody else's key":  {request("POST", joining, asJSON, with(tampered(t))), "403", "not made by who holds its key"},
		"two requests in one":  {request("POST", joining, asJSON, with(requestFor(t, goodKey(t))+requestFor(t, goodKey(t)))), "403", "expected one certificate request"},
		"a renewal of nothing": {request("POST", renewing, asJSON, `{}`), "403", "verify a certificate"},
	} {
		t.Run(what, func(t *testing.T) { refusedWith(t, ask(t, target.door(t), c.words), c.status, c.says) })
	}
	if after := target.listed(t, id); after != before {
		t.Errorf("the token was %q, and is %q", before, after)
	}
}

// Nobody speaks to the port for those who join in plain text, or in what TLS was.
// (Seen to fail: with TLS 1.2 taken.)
func TestJoiningIsNotDowngraded(t *testing.T) {
	if answer, err := target.knock(t, member, joinPort, nil, hello); err != nil || !strings.Contains(answer, "HTTP/1.0 400") {
		t.Errorf("plain text: %q, %v", answer, err)
	}
	for version, name := range map[uint16]string{tls.VersionTLS10: "TLS 1.0", tls.VersionTLS11: "TLS 1.1", tls.VersionTLS12: "TLS 1.2"} {
		older := showing()
		older.MinVersion, older.MaxVersion = tls.VersionTLS10, version //nolint:gosec // a downgrade
		if answer, err := target.knock(t, member, joinPort, older, hello); err == nil || !strings.Contains(err.Error(), "protocol version not supported") {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
	}
}

// Who joins hears from nobody but a member of the cluster whose authority's hash it
// was told: not from one who shows that authority's certificate, which is no secret,
// nor from a stolen worker. The token is not said before. (Seen to fail: with
// verifyPinned looking for the pin alone, both got the token.)
func TestImpostorsGetNoToken(t *testing.T) {
	known := target.read(t, target.pki(member, "ca.crt"))
	pins, err := authority.Pins([]byte(known))
	if err != nil {
		t.Fatal(err)
	}
	strangers, err := authority.Create(t.TempDir() + "/pki")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := strangers.Issue(access.Identity{Kind: access.Member, Name: intruder}, []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	strange, err := tls.X509KeyPair(append(certificate, known...), key)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := tls.LoadX509KeyPair(target.pki(worker, "machine.crt"), target.pki(worker, "machine.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(known))
	stolen.Certificate = append(stolen.Certificate, block.Bytes)
	for what, c := range map[string]struct {
		shows tls.Certificate
		says  string
	}{
		"an authority of its own":        {alone, "does not know the authority " + pins[0]},
		"a stranger beside the true one": {strange, "certificate signed by unknown authority"},
		"a stolen worker":                {stolen, "is a worker: only members let others join"},
	} {
		heard := make(chan struct{}, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard <- struct{}{} }), ReadHeaderTimeout: knocking, ErrorLog: log.New(io.Discard, "", 0)}
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c.shows}, MinVersion: tls.VersionTLS13})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.Serve(listener) }()
		_, err = join.Ask(t.Context(), listener.Addr().String(), authority.Pinned(pins[0], "127.0.0.1"), wish(t, "id.SECRET", asIs))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", what, err, c.says)
		}
		_ = server.Close()
		if len(heard) > 0 {
			t.Errorf("%s was told the token", what)
		}
	}
}

// A certificate is renewed for who has its key alone, as what it says, and not once
// it is over for long. (Seen to fail: with authority.Of left out of Folder.Proven,
// the certificate that everybody may read was enough.)
func TestNobodyRenewsAnothersCertificate(t *testing.T) {
	target.unharmed(t)
	forged := stolenAuthority(t)
	mine := goodKey(t)
	strangers := forger{&x509.Certificate{Subject: forged.certificate.Subject}, mine}
	now := time.Now()
	as := pkix.Name{OrganizationalUnit: []string{"worker"}, CommonName: target.id(worker)}
	issued := func(by forger, from, until time.Time) string {
		return encoded("CERTIFICATE", by.issueFor(t, &mine.PublicKey, as, from, until))
	}
	for what, c := range map[string]struct {
		renewal access.Renewal
		says    string
	}{
		"a member's, with a key of one's own": {access.Renewal{Certificate: target.read(t, target.pki(member, "machine.crt")), Request: requestFor(t, mine)}, "not for the key of the certificate of"},
		"one of the authority's own":          {access.Renewal{Certificate: target.read(t, target.pki(member, "ca.crt")), Request: requestFor(t, mine)}, "organizational unit"},
		"a member's among members":            {access.Renewal{Certificate: target.read(t, target.pki(member, "peer.crt")), Request: requestFor(t, mine)}, "none of the cluster's authorities issued it"},
		"one that nobody issued":              {access.Renewal{Certificate: issued(strangers, now, now.Add(time.Hour)), Request: requestFor(t, mine)}, "none of the cluster's authorities issued it"},
		"one that is long over":               {access.Renewal{Certificate: issued(forged, now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0)), Request: requestFor(t, mine)}, "too long ago: join again with a token"},
	} {
		t.Run(what, func(t *testing.T) {
			refusedWith(t, ask(t, target.door(t), request("POST", renewing, asJSON, text(t, c.renewal))), "403", c.says)
		})
	}
}

func (m *machines) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func encoded(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// requestFor asks for a certificate that would make its holder a member.
func requestFor(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{OrganizationalUnit: []string{"member"}, CommonName: target.id(member)},
		DNSNames: []string{member},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return encoded("CERTIFICATE REQUEST", der)
}

// tampered is a request that was signed for another key.
func tampered(t *testing.T) string {
	t.Helper()
	block, _ := pem.Decode([]byte(requestFor(t, goodKey(t))))
	block.Bytes[len(block.Bytes)-1] ^= 1
	return string(pem.EncodeToMemory(block))
}

func goodKey(t *testing.T) *ecdsa.PrivateKey  { return ellipticKey(t, elliptic.P256()) }
func shortKey(t *testing.T) *ecdsa.PrivateKey { return ellipticKey(t, elliptic.P224()) }

func ellipticKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
