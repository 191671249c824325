package signing_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
	"argosy/core/unitfile"
)

// kept is a file that ssh-keygen has made, or the unit that it signed.
func kept(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func keyOf(t testing.TB, name string) signing.Key {
	t.Helper()
	key, err := signing.ParseKey(kept(t, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestOfSSHKeygen: what ssh-keygen has signed is that, and nothing else is.
func TestOfSSHKeygen(t *testing.T) {
	text := kept(t, "web.service")
	for name, file := range map[string]string{"web.service.sig": "web.service", "template.sig": "web@.service", "drop-in.sig": "web.service.d/10-limits.conf"} {
		all, err := signing.Decode(kept(t, name))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v, %v", name, all, err)
		}
		s := all[0]
		if s.File != file || !s.Key.Same(keyOf(t, "alice")) || !s.Of(text) || s.Of(text+"\n") || s.Of("") {
			t.Errorf("%s is of %s by %s", name, s.File, s.Key)
		}
	}
	const want = "alice@laptop (SHA256:wWEkEcW4LDjpUfSFImhmUYI3eQ5cJvYqTGgFT3CiptU)"
	if got := keyOf(t, "alice").Called(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestSigner: the tests' own signer signs as ssh-keygen does.
func TestSigner(t *testing.T) {
	alice := signingtest.New("alice")
	armor := alice.Sign("web.service", "text")
	all, err := signing.Decode(armor + armor)
	if err != nil || len(all) != 2 || !all[1].Of("text") || all[1].File != "web.service" || !all[1].Key.Same(alice.Key()) {
		t.Errorf("%+v, %v", all, err)
	}
	shape := func(armor string) (lengths []int) {
		for line := range strings.Lines(armor) {
			lengths = append(lengths, len(line))
		}
		return lengths
	}
	if theirs := kept(t, "web.service.sig"); !reflect.DeepEqual(shape(armor), shape(theirs)) {
		t.Errorf("another form than ssh-keygen's:\n%s%s", armor, theirs)
	}
}

func TestBadSignatures(t *testing.T) {
	good := kept(t, "web.service.sig")
	alice := signingtest.New("alice")
	blob := alice.Blob("argosy:web.service", "text")
	with := func(change func([]byte) []byte) string {
		return signingtest.Armored(change(append([]byte{}, blob...)))
	}
	const armored = "-----BEGIN SSH SIGNATURE-----\n"
	for what, c := range map[string]struct{ text, want string }{
		"a text":           {"[Service]\nExecStart=x\n", `"[Service]" begins no signature; expected -----BEGIN SSH SIGNATURE-----`},
		"blanks":           {" " + good, `" -----BEGIN SSH SIGNATURE-----" begins no signature; expected -----BEGIN SSH SIGNATURE-----`},
		"two, and more":    {good + good + "x", `"x" begins no signature; expected -----BEGIN SSH SIGNATURE-----`},
		"PGP":              {"-----BEGIN PGP SIGNATURE-----\n", `"-----BEGIN PGP SIGNATURE-----" begins no signature; expected -----BEGIN SSH SIGNATURE-----`},
		"CRLF":             {strings.ReplaceAll(good, "\n", "\r\n"), "the signature's lines end in CRLF; expected LF alone, as ssh-keygen writes them"},
		"cut off":          {good[:150], "the signature is cut off: there is no -----END SSH SIGNATURE-----"},
		"behind the end":   {strings.TrimSpace(good) + " x\n", `" x" stands behind -----END SSH SIGNATURE-----; expected the line's end`},
		"empty":            {armored + "\n-----END SSH SIGNATURE-----\n", "the signature does not begin with SSHSIG"},
		"no base64":        {strings.Replace(good, "U1NIU0lH", "U1NIU0l!", 1), "the signature is no base64: illegal base64 data at input byte 7"},
		"cut off within":   {with(func(b []byte) []byte { return b[:100] }), "the signature is cut off"},
		"too much":         {with(func(b []byte) []byte { return append(b, 0) }), "the signature has 1 bytes behind its end"},
		"version":          {with(func(b []byte) []byte { b[9] = 2; return b }), "the signature is of version 2; expected 1"},
		"length":           {with(func(b []byte) []byte { b[10] = 0xff; return b }), "the signature is cut off"},
		"magic":            {with(func(b []byte) []byte { b[0] = 'X'; return b }), "the signature does not begin with SSHSIG"},
		"key's length":     {with(func(b []byte) []byte { b[32]--; return b }), "the signature's key: it is not as long as it says"},
		"namespace":        {kept(t, "other-namespace.sig"), `the signature is for "file"; expected argosy: and the file's name: ssh-keygen -Y sign -n argosy:web.service`},
		"no file":          {signingtest.Armored(alice.Blob("argosy:", "text")), `the signature is for "argosy:"; expected argosy: and the file's name: ssh-keygen -Y sign -n argosy:web.service`},
		"RSA":              {kept(t, "rsa.sig"), `the signature's key: it is of type "ssh-rsa"; expected ssh-ed25519: ssh-keygen -t ed25519 makes one`},
		"ECDSA":            {kept(t, "ecdsa.sig"), `the signature's key: it is of type "ecdsa-sha2-nistp256"; expected ssh-ed25519: ssh-keygen -t ed25519 makes one`},
		"another hash":     {kept(t, "sha256.sig"), `the signature's hash is "sha256"; expected sha512, which ssh-keygen takes by itself`},
		"too much of good": {strings.Repeat(good, 300), "the signatures have 94200 bytes; expected at most 65536"},
	} {
		if _, err := signing.Decode(c.text); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", what, err, c.want)
		}
	}
	if all, err := signing.Decode(""); err != nil || len(all) != 0 {
		t.Errorf("none: %v, %v", all, err)
	}
}

// TestEachBitCounts: a signature with one bit of another value is none of the text.
func TestEachBitCounts(t *testing.T) {
	alice := signingtest.New("alice")
	rapid.Check(t, func(t *rapid.T) {
		blob := alice.Blob("argosy:web.service", "text")
		bit := rapid.IntRange(0, 8*len(blob)-1).Draw(t, "bit")
		blob[bit/8] ^= 1 << (bit % 8)
		all, err := signing.Decode(signingtest.Armored(blob))
		if err == nil && all[0].Of("text") && all[0].Key.Same(alice.Key()) {
			t.Fatalf("bit %d of byte %d means nothing", bit%8, bit/8)
		}
	})
}

// FuzzDecode: what is read is written again as it was, and is signed by nobody
// unless it is one of the seeds.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"web.service.sig", "template.sig", "rsa.sig", "sha256.sig", "other-namespace.sig"} {
		f.Add(kept(f, name))
	}
	f.Add(kept(f, "web.service.sig") + kept(f, "bob.sig"))
	f.Fuzz(func(t *testing.T, text string) {
		all, err := signing.Decode(text)
		if err != nil {
			return
		}
		var files []string
		for _, s := range all {
			files = append(files, s.File)
			if s.Of("text that nobody has signed") {
				t.Errorf("%q passes for another text", text)
			}
		}
		only, err := signing.Only(text, files...)
		if err != nil || strings.TrimSuffix(only, "\n") != strings.TrimSuffix(text, "\n") {
			t.Errorf("%q is written as %q, %v", text, only, err)
		}
	})
}

func TestKeys(t *testing.T) {
	key := keyOf(t, "alice")
	if key.Name != "alice@laptop" || key.String()+"\n" != kept(t, "alice.pub") {
		t.Errorf("%s", key)
	}
	coded, err := json.Marshal(key)
	var back signing.Key
	if err := errors.Join(err, json.Unmarshal(coded, &back)); err != nil || back != key {
		t.Errorf("%s came back as %s, %v", coded, back, err)
	}
	words := strings.Fields(kept(t, "alice.pub"))
	for line, want := range map[string]string{
		"":                                    `"" is no key; expected a line as in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA... NAME`,
		"-----BEGIN OPENSSH PRIVATE KEY-----": `"-----BEGIN OPENSSH PRIVATE KEY-----" is no key; expected a line as in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA... NAME`,
		"ssh-rsa AAAA":                        `"ssh-rsa AAAA" is no key; expected a line as in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA... NAME`,
		"ssh-ed25519 !":                       `key "!" is no base64: illegal base64 data at input byte 0`,
		"ssh-ed25519 " + strings.Fields(kept(t, "rsa.pub"))[1][:40]: `key "` + strings.Fields(kept(t, "rsa.pub"))[1][:40] + `": it is of type "ssh-rsa"; expected ssh-ed25519: ssh-keygen -t ed25519 makes one`,
		"ssh-ed25519 " + words[1][:60]:                              `key "` + words[1][:40] + `"...: it is not as long as it says`,
		"ssh-ed25519 " + words[1] + " a\x1bb":                       `key "` + words[1][:40] + `"... is called "a\x1bb"; expected at most 128 printable bytes`,
		"ssh-ed25519 " + words[1] + " " + strings.Repeat("a", 129):  `key "` + words[1][:40] + `"... is called "` + strings.Repeat("a", 40) + `"...; expected at most 128 printable bytes`,
	} {
		if _, err := signing.ParseKey(line); err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", line, err, want)
		}
	}
}

func TestPolicyText(t *testing.T) {
	alice, bob := keyOf(t, "alice"), keyOf(t, "bob")
	text := "# who may\n\n" + kept(t, "alice.pub") + "  images-by-digest  \r\n" + strings.TrimSpace(kept(t, "bob.pub"))
	p, err := signing.ParsePolicy("policy", text)
	if want := (signing.Policy{Keys: []signing.Key{alice, bob}, Digests: true}); err != nil || !reflect.DeepEqual(p, want) {
		t.Fatalf("%+v, %v", p, err)
	}
	if again, err := signing.ParsePolicy("policy", p.Text()); err != nil || !again.Same(p) {
		t.Errorf("%s came back as %+v, %v", p.Text(), again, err)
	}
	for text, want := range map[string]string{
		"":                     "policy: it asks for nothing; expected a line as in ~/.ssh/id_ed25519.pub, or images-by-digest",
		"# nothing\n":          "policy: it asks for nothing; expected a line as in ~/.ssh/id_ed25519.pub, or images-by-digest",
		"\nrequire-signatures": `policy:2: "require-signatures" is no key; expected a line as in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA... NAME, or images-by-digest`,
		alice.String() + "\n" + kept(t, "alice.pub"): "policy: key " + alice.Called() + " is there twice",
		strings.Repeat("#", 65<<10):                  "policy: it is longer than 65536 bytes",
	} {
		if _, err := signing.ParsePolicy("policy", text); err == nil || err.Error() != want {
			t.Errorf("%.50q:\n got %v\nwant %s", text, err, want)
		}
	}
	many := signing.Policy{}
	for n := range 65 {
		many.Keys = append(many.Keys, signingtest.New(strings.Repeat("n", n+1)).Key())
	}
	if err := many.Check(); err == nil || err.Error() != "65 keys; expected at most 64" {
		t.Error(err)
	}
}

// FuzzPolicy: what is read means the same when it is written and read again.
func FuzzPolicy(f *testing.F) {
	f.Add("# who may\n" + kept(f, "alice.pub") + "images-by-digest\n")
	f.Add(kept(f, "rsa.pub"))
	f.Add("ssh-ed25519 AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := signing.ParsePolicy("policy", text)
		if err != nil {
			return
		}
		if again, err := signing.ParsePolicy("policy", p.Text()); err != nil || !again.Same(p) {
			t.Errorf("%q came back as %+v, %v", text, again, err)
		}
	})
}

func TestPermits(t *testing.T) {
	const text, limits = "[Service]\nExecStart=/usr/bin/web\n", "[Service]\nMemoryMax=512M\n"
	alice, bob, eve := signingtest.New("alice"), signingtest.New("bob"), signingtest.New("eve")
	trusting := signing.Policy{Keys: []signing.Key{alice.Key(), bob.Key()}}
	dropIn := []unitfile.DropIn{{Name: "10-limits.conf", Text: limits}}
	trusted := "; trusted: " + alice.Key().Called() + ", " + bob.Key().Called()
	for what, c := range map[string]struct {
		unit   cluster.UnitName
		bundle unitfile.Bundle
		want   string // "" for permitted
	}{
		"signed":                  {"web.service", unitfile.Bundle{Text: text, Signatures: alice.Sign("web.service", text)}, ""},
		"by another":              {"web.service", unitfile.Bundle{Text: text, Signatures: bob.Sign("web.service", text)}, ""},
		"by one of two":           {"web.service", unitfile.Bundle{Text: text, Signatures: eve.Sign("web.service", text) + bob.Sign("web.service", text)}, ""},
		"a template":              {"web@.service", unitfile.Bundle{Text: text, Signatures: alice.Sign("web@.service", text)}, ""},
		"its instance":            {"web@1.service", unitfile.Bundle{Text: text, Signatures: alice.Sign("web@.service", text)}, ""},
		"an instance's own":       {"web@1.service", unitfile.Bundle{Text: text, Signatures: alice.Sign("web@1.service", text)}, ""},
		"with a drop-in":          {"web.service", unitfile.Bundle{Text: text, DropIns: dropIn, Signatures: alice.Sign("web.service", text) + bob.Sign("web.service.d/10-limits.conf", limits)}, ""},
		"an instance's drop-in":   {"web@1.service", unitfile.Bundle{Text: text, DropIns: dropIn, Signatures: alice.Sign("web@.service", text) + bob.Sign("web@1.service.d/10-limits.conf", limits)}, ""},
		"a template's drop-in":    {"web@1.service", unitfile.Bundle{Text: text, DropIns: dropIn, Signatures: alice.Sign("web@.service", text) + bob.Sign("web@.service.d/10-limits.conf", limits)}, ""},
		"unsigned":                {"web.service", unitfile.Bundle{Text: text}, "web.service is not signed" + trusted},
		"by somebody":             {"web.service", unitfile.Bundle{Text: text, Signatures: eve.Sign("web.service", text)}, "web.service is signed by " + eve.Key().Fingerprint() + ", which is not trusted" + trusted},
		"another text":            {"web.service", unitfile.Bundle{Text: text + "#", Signatures: alice.Sign("web.service", text)}, "the signature of web.service by " + alice.Key().Fingerprint() + " is of another text" + trusted},
		"CRLF":                    {"web.service", unitfile.Bundle{Text: strings.ReplaceAll(text, "\n", "\r\n"), Signatures: alice.Sign("web.service", text)}, "the signature of web.service by " + alice.Key().Fingerprint() + " is of another text" + trusted},
		"another unit's":          {"db.service", unitfile.Bundle{Text: text, Signatures: alice.Sign("web.service", text)}, `db.service: there is a signature of "web.service", which is none of its files`},
		"an instance's, for all":  {"web@.service", unitfile.Bundle{Text: text, Signatures: alice.Sign("web@1.service", text)}, `web@.service: there is a signature of "web@1.service", which is none of its files`},
		"another instance's":      {"web@2.service", unitfile.Bundle{Text: text, Signatures: alice.Sign("web@1.service", text)}, `web@2.service: there is a signature of "web@1.service", which is none of its files`},
		"a unit's for a drop-in":  {"web.service", unitfile.Bundle{Text: text, DropIns: []unitfile.DropIn{{Name: "a.conf", Text: text}}, Signatures: alice.Sign("web.service", text)}, "web.service.d/a.conf is not signed" + trusted},
		"a drop-in's for another": {"web.service", unitfile.Bundle{Text: text, DropIns: dropIn, Signatures: alice.Sign("web.service", text) + alice.Sign("web.service.d/20-limits.conf", limits)}, `web.service: there is a signature of "web.service.d/20-limits.conf", which is none of its files`},
		"no signature":            {"web.service", unitfile.Bundle{Text: text, Signatures: "trust me"}, `web.service: "trust me" begins no signature; expected -----BEGIN SSH SIGNATURE-----`},
	} {
		err := trusting.Permits(c.unit, c.bundle)
		var refused *access.Refused
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &refused) || refused.Message != c.want || !strings.HasPrefix(refused.Hint, "sign it, 'fleetctl sign --key FILE ")) {
			t.Errorf("%s:\n got %v\nwant %s", what, err, c.want)
		}
		if err := (signing.Policy{}).Permits(c.unit, c.bundle); err != nil {
			t.Errorf("%s: refused by a policy that asks for nothing: %v", what, err)
		}
	}
}

// TestCheck: signatures that are of nothing are refused, whoever is trusted.
func TestCheck(t *testing.T) {
	const text = "[Service]\nExecStart=/usr/bin/web\n"
	eve := signingtest.New("eve")
	for signatures, want := range map[string]string{
		"":                            "",
		eve.Sign("web.service", text): "",
		eve.Sign("web.service", "x"):  "web.service: its signature by " + eve.Key().Fingerprint() + " is of another text; sign it again, or take the signature away",
		eve.Sign("db.service", text):  `web.service: there is a signature of "db.service", which is none of its files`,
	} {
		err := signing.Check("web.service", unitfile.Bundle{Text: text, Signatures: signatures})
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestImages(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0f", 32)
	policy := signing.Policy{Digests: true}
	for _, c := range []struct {
		unit cluster.UnitName
		text string
		want string // "" for permitted
	}{
		{"web.service", "[Service]\nExecStart=/usr/bin/podman run busybox\n", ""},
		{"shop.container", "[Container]\nImage=quay.io/shop" + digest + "\n", ""},
		{"shop.container", "[Container]\nImage=quay.io/shop:2" + digest + "\n", ""},
		{"shop.container", "[Container]\nImage=shop.image\n", ""},
		{"shop.container", "[Container]\nRootfs=/srv/shop\n", ""},
		{"shop.container", "[Container]\nImage=quay.io/shop" + digest + "\nImage=quay.io/shop\n", "shop.container: Image=quay.io/shop is not named by digest"},
		{"shop.container", "[Container]\nImage=quay.io/shop:2\n", "shop.container: Image=quay.io/shop:2 is not named by digest"},
		{"shop.container", "[Container]\nImage=quay.io/shop" + digest + "0\n", "shop.container: Image=quay.io/shop" + digest + "0 is not named by digest"},
		{"shop.container", "[Container]\nImage=shop.build\n", "shop.container: Image=shop.build is not named by digest"},
		{"shop.image", "[Image]\nImage=quay.io/shop:2\n", "shop.image: Image=quay.io/shop:2 is not named by digest"},
		{"shop.image", "[Image]\nImage=quay.io/shop" + digest + "\n", ""},
		{"shop.volume", "[Volume]\nDriver=image\nImage=quay.io/shop\n", "shop.volume: Image=quay.io/shop is not named by digest"},
		{"shop.volume", "[Volume]\n", ""},
		{"shop.pod", "[Pod]\n", ""},
		{"shop.kube", "[Kube]\nYaml=shop.yaml\n", "shop.kube: which images its Yaml= names is not known to the cluster, and they are to be named by digest"},
	} {
		err := policy.Permits(c.unit, unitfile.Bundle{Text: c.text})
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s with %q:\n got %v\nwant %s", c.unit, c.text, err, c.want)
		}
	}
	both := unitfile.Bundle{Text: "[Container]\nImage=a\n", DropIns: []unitfile.DropIn{{Name: "pin.conf", Text: "[Container]\nImage=a" + digest + "\n"}}}
	if err := policy.Permits("shop.container", both); err != nil {
		t.Errorf("pinned by a drop-in: %v", err)
	}
}
