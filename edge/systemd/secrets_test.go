package systemd

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

const secretText = "[Service]\nExecStart=/bin/true\n[X-Fleet]\nSecret=key:db-%i tls\n"

// TestSecretsAreCredentials: the drop-in comes with the text that asks and goes with
// it, for Quadlet files at the service that is made of them; the values lie where it
// says, for root alone.
func TestSecretsAreCredentials(t *testing.T) {
	for unit, service := range map[cluster.UnitName]string{
		"db@1.service": "db@1.service", "db@1.container": "db@1.service", `db@a.service`: "db@a.service",
	} {
		files, folders := testFiles(t)
		if err := files.Write(unit, secretText); err != nil {
			t.Fatal(err)
		}
		dropIn := filepath.Join(folders.Links, service+".d", secretsDropIn)
		want := "# Secret=: these are the cluster's secrets; see $CREDENTIALS_DIRECTORY.\n[Service]\n" +
			"LoadCredential=key:" + folders.Secrets + "/%n/key\nLoadCredential=tls:" + folders.Secrets + "/%n/tls\n"
		if text, err := os.ReadFile(dropIn); err != nil || string(text) != want {
			t.Errorf("%s: systemd reads %q, %v, expected %q", unit, text, err, want)
		}
		if found, err := files.List(); err != nil || found[unit] != cluster.HashOf(secretText) {
			t.Errorf("%s: listed %v, %v", unit, found, err)
		}
		asks, err := files.Asks(unit)
		if err != nil || len(asks) != 2 || asks[0] != (unitfile.Secret{Credential: "key", Name: cluster.SecretName("db-" + unit.Instance())}) {
			t.Errorf("%s asks for %v, %v", unit, asks, err)
		}
		if got := files.Given(unit); got != "" {
			t.Errorf("%s was given %q at first", unit, got)
		}
		for _, values := range []map[string][]byte{{"old": []byte("0"), "key": []byte("1")}, {"key": []byte("k\x00\n"), "tls": []byte("")}} {
			if err := files.Give(unit, values, "db-1=3 tls=1"); err != nil {
				t.Fatal(err)
			}
		}
		if got := files.Given(unit); got != "db-1=3 tls=1" {
			t.Errorf("%s was given %q", unit, got)
		}
		folder := filepath.Join(folders.Secrets, service)
		if names := strings.Join(namesIn(folder), " "); names != "key tls" {
			t.Errorf("%s: in its folder are %q", unit, names)
		}
		if value, err := os.ReadFile(filepath.Join(folder, "key")); err != nil || string(value) != "k\x00\n" {
			t.Errorf("%s: the value is %q, %v", unit, value, err)
		}
		for path, want := range map[string]fs.FileMode{folders.Secrets: 0o700, folder: 0o700, filepath.Join(folder, "key"): 0o400} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: its mode is %v, %v, expected %v", path, info.Mode().Perm(), err, want)
			}
		}
		if err := files.Remove(unit); err != nil {
			t.Error(err)
		}
		for _, gone := range []string{filepath.Dir(dropIn), folder, files.credentials(unit).file, folders.versions(unit)} {
			if _, err := os.Lstat(gone); err == nil {
				t.Errorf("%s: %s is left behind", unit, gone)
			}
		}
	}
}

// TestSecretsFollowTheText: another text takes the drop-in away or changes it, and one
// that is missing, too much or another shows in the list.
func TestSecretsFollowTheText(t *testing.T) {
	const plain, other = "[Service]\nExecStart=/bin/true\n", "[Service]\nExecStart=/bin/true\n[X-Fleet]\nSecret=other\n"
	files, _ := testFiles(t)
	const unit = cluster.UnitName("db@1.service")
	at := files.credentials(unit)
	for _, text := range []string{secretText, plain, other, secretText} {
		if err := files.Write(unit, text); err != nil || at.tied() != (text != plain) {
			t.Errorf("%q: %v, with a drop-in: %v", text, err, at.tied())
		}
	}
	put(t, at.file, "[Service]\n")
	if found, err := files.List(); err != nil || found[unit] != "" {
		t.Errorf("with another drop-in: listed %v, %v; expected no hash", found, err)
	}
	if err := files.Write(unit, plain); err != nil {
		t.Fatal(err)
	}
	put(t, at.file, "[Service]\n")
	if err := at.tie(); err != nil {
		t.Fatal(err)
	}
	if found, err := files.List(); err != nil || found[unit] != "" {
		t.Errorf("with a drop-in too much: listed %v, %v; expected no hash", found, err)
	}
}

// A stopped unit's secrets go with the record of its start.
func TestForgottenSecrets(t *testing.T) {
	files, folders := testFiles(t)
	for _, value := range []string{"1", "2"} {
		if err := files.Give("web.service", map[string][]byte{"key": []byte(value)}, "key=1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Give("web.service", map[string][]byte{"../key": nil}, ""); err == nil {
		t.Error("a value was kept outside of its folder")
	}
	if err := files.Forget("web.service"); err != nil {
		t.Error(err)
	}
	if names := namesIn(folders.Secrets); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
}
