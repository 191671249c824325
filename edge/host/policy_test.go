package host_test

import (
	"os"
	"path/filepath"
	"testing"

	"argosy/core/signing/signingtest"
	"argosy/edge/host"
)

func TestReadPolicy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy")
	if policy, there, err := host.ReadPolicy(path); there || err != nil || policy.Asks() {
		t.Errorf("where there is none: %+v, %v, %v", policy, there, err)
	}
	key := signingtest.New("alice").Key()
	for _, c := range []struct {
		mode       os.FileMode
		text, want string
	}{
		{0o644, "# ours\n" + key.String() + "\nimages-by-digest\n", ""},
		{0o600, key.String(), ""},
		{0o664, key.String(), path + " may be written by others than its owner: its mode is 0664; expected 0644"},
		{0o646, key.String(), path + " may be written by others than its owner: its mode is 0646; expected 0644"},
		{0o644, "", path + ": it asks for nothing; expected a line as in ~/.ssh/id_ed25519.pub, or images-by-digest"},
		{0o644, "ssh-ed25519\n", path + `:1: "ssh-ed25519" is no key; expected a line as in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA... NAME, or images-by-digest`},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		policy, there, err := host.ReadPolicy(path)
		if !there || (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%04o %q:\n got %v, %v\nwant %s", c.mode, c.text, there, err, c.want)
		}
		if err == nil && (len(policy.Keys) != 1 || !policy.Keys[0].Same(key)) {
			t.Errorf("%q is %+v", c.text, policy)
		}
	}
	if _, there, err := host.ReadPolicy(filepath.Dir(path)); !there || err == nil {
		t.Errorf("a folder: %v, %v", there, err)
	}
}
