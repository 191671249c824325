package authority

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"argosy/core/access"
)

// welcomed is a wish of core-02's to be a member, its keys, and what a member answers.
func welcomed(t *testing.T, f Folder) (wish access.Wish, keys access.Papers, answer access.Answer) {
	t.Helper()
	const id = "ffffffffffffffffffffffffffffffff"
	wish = access.Wish{Kind: access.Member, Name: id, Host: "core-02", Addresses: []string{"10.0.0.2"}}
	keys, err := NewKeys(&wish)
	if err != nil {
		t.Fatal(err)
	}
	membership, err := f.Keys()
	if err != nil {
		t.Fatal(err)
	}
	answer.Membership = &membership
	if answer.Bundle, err = f.Bundle(); err != nil {
		t.Fatal(err)
	}
	own := access.Grant{Who: access.Identity{Kind: access.Member, Name: id}, Hosts: wish.Hosts(), Life: time.Hour}
	local := access.Grant{Who: access.Identity{Kind: access.Local, Name: id}, Life: time.Hour}
	for _, one := range []struct {
		sign    func(string, access.Grant) (string, error)
		request string
		grant   access.Grant
		into    *string
	}{
		{f.Sign, wish.Requests.Own, own, &answer.Certificates.Own},
		{f.Sign, wish.Requests.Local, local, &answer.Certificates.Local},
		{f.SignPeer, wish.Requests.Peer, own, &answer.Certificates.Peer},
	} {
		if *one.into, err = one.sign(one.request, one.grant); err != nil {
			t.Fatal(err)
		}
	}
	return wish, keys, answer
}

// A new member has what the others have, each of its keys for root alone or for the
// group that needs it.
func TestAMemberGetsAllKeys(t *testing.T) {
	f := member(t, time.Hour)
	if _, err := f.Keys(); err == nil || err.Error() != "read what members have: open "+f.path("secrets.key")+": no such file or directory" {
		t.Errorf("without a key for secrets: %v", err)
	}
	if err := f.Write(SecretsKeyFile, []byte("k KEY\n")); err != nil {
		t.Fatal(err)
	}
	wish, keys, answer := welcomed(t, f)
	a, err := f.Authority()
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(wish, answer, a.Pin()); err != nil {
		t.Fatal(err)
	}
	other := Folder(filepath.Join(t.TempDir(), "pki"))
	if err := other.Place(keys, answer); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.crt", "ca.key", "peer-ca.crt", "peer-ca.key", "secrets.key"} {
		ours, err := os.ReadFile(f.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := os.ReadFile(other.path(name)); err != nil || string(theirs) != string(ours) {
			t.Errorf("%s: %v, or another one", name, err)
		}
	}
	for _, name := range []string{"ca.key", "peer-ca.key", "secrets.key"} {
		if info, err := os.Stat(other.path(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	answer.Membership.SecretsKey = ""
	if err := Verify(wish, answer, a.Pin()); err == nil || err.Error() != "the key of the cluster's secrets is not in it" {
		t.Errorf("an answer without the key of secrets: %v", err)
	}
	answer.Membership = nil
	if err := Verify(wish, answer, a.Pin()); err == nil || err.Error() != "there is nothing in it that makes a member" {
		t.Errorf("an answer without keys: %v", err)
	}
}
