package fleetctl

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"argosy/cli"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
)

var alice, bob = signingtest.New("alice"), signingtest.New("bob")

// fakeKeygen signs as ssh-keygen does, with the key of whoever the key's file names.
func fakeKeygen(args []string) int {
	value := func(flag string) string { return args[slices.Index(args, flag)+1] }
	name, err := os.ReadFile(value("-f"))
	text, bad := io.ReadAll(os.Stdin)
	if err != nil || bad != nil || !slices.Equal(args[:3], []string{"-q", "-Y", "sign"}) {
		return 1
	}
	switch who := strings.TrimSpace(string(name)); who {
	case "broken":
		fmt.Fprintln(os.Stderr, `Load key "broken": error in libcrypto`)
		return 255
	case "liar":
		text = append(text, '#')
		fallthrough
	default:
		os.Stdout.WriteString(signingtest.Armored(signingtest.New(who).Blob(value("-n"), string(text))))
	}
	return 0
}

// withKeygen puts it where fleetctl finds it.
func withKeygen(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	if err := os.Symlink(must(os.Executable())(t), filepath.Join(folder, "ssh-keygen")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
}

// alone runs fleetctl where there is no cluster.
func alone(args ...string) said {
	var out, errs bytes.Buffer
	cmd := New()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err := cmd.Execute()
	if err != nil {
		fmt.Fprintln(&errs, err)
	}
	return said{code: cli.Code(err), out: out.String(), err: errs.String()}
}

// TestSign: each file is signed as what it is called, and nothing else is asked.
func TestSign(t *testing.T) {
	w := &world{T: t}
	files(t, "web.service", "db@.service")
	put(t, "web.service.d/20-b.conf", "[Service]\nNice=5\n")
	put(t, "web.service.d/10-a.conf", "[Service]\nNice=4\n")
	for _, name := range []string{"alice", "broken", "liar", "open"} {
		if err := os.WriteFile("key-"+name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", "")
	w.want(alone("sign", "--key", "key-alice", "web"), 1, "", "ssh-keygen is needed, which is part of OpenSSH")
	withKeygen(t)
	w.want(alone("sign", "--key", "key-alice", "web", "./db@.service"), 0, "Signed web.service: web.service.sig\n"+
		"Signed web.service.d/10-a.conf: web.service.d/10-a.conf.sig\nSigned web.service.d/20-b.conf: web.service.d/20-b.conf.sig\n"+
		"Signed ./db@.service: ./db@.service.sig\n", "")
	for file, as := range map[string]string{"web.service": "web.service", "web.service.d/10-a.conf": "web.service.d/10-a.conf", "db@.service": "db@.service"} {
		if got, want := string(must(os.ReadFile(file+".sig"))(t)), alice.Sign(as, string(must(os.ReadFile(file))(t))); got != want {
			t.Errorf("%s is signed\n%s\nwant\n%s", file, got, want)
		}
	}
	if err := os.Chmod("key-open", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 2, "a unit's file is expected\nsee 'fleetctl sign --help'"},
		{[]string{"--key", "key-open", "web"}, 1, "the key key-open may be used by others: its mode is 0644; chmod 600 key-open"},
		{[]string{"--key", "none", "web"}, 1, "there is no key none; 'ssh-keygen -t ed25519' makes one"},
		{[]string{"--key", "key-broken", "web"}, 1, `sign web.service: ssh-keygen: exit status 255: Load key "broken": error in libcrypto`},
		{[]string{"--key", "key-liar", "web"}, 1, "sign web.service: ssh-keygen has not signed what it was given"},
		{[]string{"--key", "key-alice", "none"}, 1, "sign none.service: open none.service: no such file or directory"},
		{[]string{"--key", "key-alice", "web.sig"}, 1, `open web.sig.service: no such file or directory`},
	} {
		w.want(alone(append([]string{"sign"}, c.args...)...), c.code, "", c.says)
	}
}

// signedBy puts signatures beside files.
func signedBy(t *testing.T, who signingtest.Signer, files ...string) {
	t.Helper()
	for _, file := range files {
		text := string(must(os.ReadFile(file))(t))
		put(t, file+".sig", strings.TrimSuffix(who.Sign(file, text), "\n"))
	}
}

func TestSignaturesGoWithTheirUnit(t *testing.T) {
	w := newWorld(t)
	files(t, "web.service", "db@.service")
	put(t, "policy", alice.Key().String()+"\n")
	w.want(w.fleetctl("policy", "set", "policy"), 0, "Policy set: units must be signed by "+alice.Key().Called()+"\n", "")
	trusted := "; trusted: " + alice.Key().Called() + "; sign it, 'fleetctl sign --key FILE web.service', and store it again, with --replace where it is stored already"
	for _, verb := range []string{"submit", "load", "start"} {
		w.want(w.fleetctl(verb, "web"), 1, "", "web.service is not signed"+trusted)
	}
	signedBy(t, bob, "web.service")
	w.want(w.fleetctl("start", "web"), 1, "", "web.service is signed by "+bob.Key().Fingerprint()+", which is not trusted"+trusted)
	w.want(w.fleetctl("list-unit-files", "--no-legend"), 0, "", "")

	put(t, "web.service.d/10-a.conf", "[Service]\nNice=5\n")
	signedBy(t, alice, "web.service")
	w.want(w.fleetctl("submit", "web"), 1, "", "web.service.d/10-a.conf is not signed"+trusted)
	signedBy(t, alice, "web.service.d/10-a.conf")
	w.want(w.fleetctl("submit", "web"), 0, "Unit web.service inactive\n", "")
	w.want(w.fleetctl("submit", "web"), 0, "", "") // the same
	put(t, "web.service.d/10-a.conf", "[Service]\nNice=6\n")
	w.want(w.fleetctl("submit", "--replace", "web"), 1, "", "web.service.d/10-a.conf: its signature by "+alice.Key().Fingerprint()+" is of another text; sign it again, or take the signature away")
	signedBy(t, alice, "web.service.d/10-a.conf")
	w.want(w.fleetctl("submit", "--replace", "web"), 0, "Unit web.service inactive\n", "")
	w.want(w.fleetctl("cat", "web"), 0, text, "(web.service has drop-ins: --drop-ins shows them)\n")

	for sig, want := range map[string]string{
		"":  "web.service.sig: it is empty; expected a signature as ssh-keygen writes it",
		"x": `web.service.sig: "x" begins no signature; expected -----BEGIN SSH SIGNATURE-----`,
		strings.ReplaceAll(alice.Sign("web.service", text), "\n", "\r\n"): "web.service.sig: the signature's lines end in CRLF; expected LF alone, as ssh-keygen writes them",
		strings.Repeat("x", signing.MaxBytes+5):                           "web.service.sig: the signatures have 65537 bytes; expected at most 65536",
	} {
		put(t, "web.service.sig", sig)
		w.want(w.fleetctl("submit", "--replace", "web"), 1, "", want)
	}
}

// TestSignedTemplates: a template's signature is its instances', also of the
// template that the cluster has, and of links to it.
func TestSignedTemplates(t *testing.T) {
	w := newWorld(t)
	files(t, "db@.service")
	put(t, "policy", alice.Key().String()+"\n")
	w.want(w.fleetctl("policy", "set", "policy"), 0, "Policy set: units must be signed by "+alice.Key().Called()+"\n", "")
	put(t, "db@.service.d/10-a.conf", "[Service]\nNice=5\n")
	put(t, "db@.service.d/20-b.conf", "[Service]\nNice=6\n")
	signedBy(t, alice, "db@.service", "db@.service.d/10-a.conf", "db@.service.d/20-b.conf")
	if err := os.Symlink("db@.service", "db@9.service"); err != nil {
		t.Fatal(err)
	}
	w.want(w.fleetctl("submit", "db@1", "db@9", "db@"), 0, "Unit db@1.service inactive\nUnit db@9.service inactive\nUnit db@.service inactive\n", "")
	for _, gone := range []string{"db@.service", "db@.service.d", "db@.service.sig"} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	w.want(w.fleetctl("submit", "db@2"), 0, "Unit db@2.service inactive\n", "")
	put(t, "db@3.service.d/10-a.conf", "[Service]\nNice=7\n")
	w.want(w.fleetctl("submit", "db@3"), 1, "", "db@3.service.d/10-a.conf is not signed")
	signedBy(t, alice, "db@3.service.d/10-a.conf")
	w.want(w.fleetctl("submit", "db@3"), 0, "Unit db@3.service inactive\n", "")
}

func TestPolicy(t *testing.T) {
	w := newWorld(t)
	files(t)
	both := alice.Key().String() + "\n" + bob.Key().String() + "\nimages-by-digest\n"
	put(t, "policy", "# who may\n"+both)
	w.want(w.fleetctl("policy"), 0, "", "Nothing is asked of units: they need not be signed\n")
	w.want(w.fleetctl("policy", "set", "policy"), 0, "Policy set: units must be signed by one of 2 keys; images must be named by digest\n", "")
	w.want(w.typing(both, "policy", "set", "-"), 0, "Policy was so already: units must be signed by one of 2 keys; images must be named by digest\n", "")
	w.want(w.fleetctl("policy"), 0, both, "")
	w.want(w.typing("images-by-digest\n", "policy", "set", "-"), 0, "Policy set: units need not be signed; images must be named by digest\n", "")
	put(t, "shop.container", "[Container]\nImage=quay.io/shop:2\n")
	w.want(w.fleetctl("submit", "shop.container"), 1, "", "shop.container: Image=quay.io/shop:2 is not named by digest; expected NAME@sha256:DIGEST; 'podman image inspect --format {{.Digest}} quay.io/shop:2' prints it")
	w.want(w.fleetctl("policy", "off"), 0, "Policy set: nothing is asked of units\n", "")
	w.want(w.fleetctl("policy"), 0, "", "Nothing is asked of units: they need not be signed\n")
	w.want(w.typing("", "policy", "set", "-"), 2, "", "-: it asks for nothing; expected a line as in ~/.ssh/id_ed25519.pub, or images-by-digest")
	w.want(w.typing("-----BEGIN OPENSSH PRIVATE KEY-----\n", "policy", "set", "-"), 2, "", `-:1: "-----BEGIN OPENSSH PRIVATE KEY-----" is no key; expected a line as in ~/.ssh/id_ed25519.pub`)
	w.want(w.fleetctl("policy", "set"), 2, "", "one file is expected, 0 were given")
	w.want(w.fleetctl("policy", "set", "none"), 1, "", "read the policy: open none: no such file or directory")
	w.want(w.fleetctl("policy", "on"), 2, "", `unknown command "on"`)
}
