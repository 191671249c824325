package storetest

import (
	"errors"
	"fmt"
	"reflect"

	"argosy/core/access"
	"argosy/core/cluster"
)

// aSecret is a secret to be written for the first time.
func aSecret(name cluster.SecretName) cluster.Secret {
	return cluster.Secret{Name: name, Units: []string{"web@*.service", "<&>.mount"}}.With(cluster.SecretVersion{
		Version: 1, By: "alice", At: someTime, Sealed: cluster.Sealed{Key: "k1", Box: []byte{0, 0xff, '\n'}},
	})
}

func (s *suite) putSecret(secret cluster.Secret) cluster.Secret {
	s.Helper()
	written, err := s.store.PutSecret(s.Context(), secret, 0)
	if err != nil || written.Revision == 0 {
		s.Fatalf("put secret %s: %+v, %v", secret.Name, written, err)
	}
	return written
}

func testSecrets(s *suite) {
	ctx := s.Context()
	if _, err := s.store.Secret(ctx, "db"); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("a secret that is not there: %v, want ErrNotFound", err)
	}
	first := s.putSecret(aSecret("db"))
	if got, err := s.store.Secret(ctx, "db"); err != nil || !reflect.DeepEqual(got, first) {
		s.Errorf("read %+v, %v, want %+v", got, err, first)
	}
	if _, err := s.store.PutSecret(ctx, aSecret("db"), 0); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("a new secret over an old one: %v, want ErrConflict", err)
	}
	second := first.With(cluster.SecretVersion{Version: 2, Sealed: cluster.Sealed{Key: "k2", Box: make([]byte, cluster.MaxSecretBytes)}})
	second = s.putSecret(second)
	if second.Revision <= first.Revision {
		s.Errorf("revision went from %d to %d", first.Revision, second.Revision)
	}
	if err := s.store.DeleteSecret(ctx, "db", first.Revision); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("delete at an old revision: %v, want ErrConflict", err)
	}
	if err := s.store.DeleteSecret(ctx, "db", second.Revision); err != nil {
		s.Error(err)
	}
	if err := s.store.DeleteSecret(ctx, "db", second.Revision); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("delete what is gone: %v, want ErrNotFound", err)
	}
	if all, err := s.store.Secrets(ctx); err != nil || len(all) != 0 {
		s.Errorf("all: %+v, %v", all, err)
	}
}

// testManySecrets: all of the largest size that may be, in the order of their names,
// beside facts that followers are told of.
func testManySecrets(s *suite) {
	var want []cluster.Secret
	for i := range 40 {
		secret := aSecret(cluster.SecretName(fmt.Sprintf("s%02d", i)))
		for n := range int64(cluster.KeptSecretVersions) {
			secret = secret.With(cluster.SecretVersion{Version: n + 2, At: someTime, Sealed: cluster.Sealed{Key: "k", Box: make([]byte, cluster.MaxSecretBytes+64)}})
		}
		want = append(want, s.putSecret(secret))
	}
	if got, err := s.store.Secrets(s.Context()); err != nil || !reflect.DeepEqual(got, want) {
		s.Errorf("read %d, %v, want %d", len(got), err, len(want))
	}
	if batch := s.all(cluster.Everything); len(batch.Events) != 0 {
		s.Errorf("a follower was told %d events", len(batch.Events))
	}
}

func testMalformedSecrets(s *suite) {
	ctx := s.Context()
	good := aSecret("db")
	for _, bad := range []cluster.Secret{
		{}, {Name: "db"}, {Name: "../units/a.service", Versions: good.Versions}, {Name: "a/b", Versions: good.Versions},
		{Name: "db", Versions: []cluster.SecretVersion{{Version: 0, Sealed: good.Versions[0].Sealed}}},
		{Name: "db", Versions: []cluster.SecretVersion{{Version: 1}}},
		{Name: "db", Versions: []cluster.SecretVersion{good.Versions[0], good.Versions[0]}},
	} {
		if _, err := s.store.PutSecret(ctx, bad, 0); err == nil {
			s.Errorf("%+v was written", bad)
		}
	}
	if _, err := s.store.Secret(ctx, "../units/a.service"); err == nil {
		s.Error("a path was read")
	}
	if err := s.store.DeleteSecret(ctx, "", 1); err == nil {
		s.Error("nothing was deleted")
	}
}

// testKeyring: it is guarded by itself and by the authorities, followed with who may do
// what, and guards secrets.
func testKeyring(s *suite) {
	ctx := s.Context()
	if k, err := s.store.Keyring(ctx); err != nil || !reflect.DeepEqual(k, access.Keyring{}) {
		s.Errorf("before the first: %+v, %v", k, err)
	}
	secret := s.putSecret(aSecret("db"))
	first, err := s.store.PutKeyring(ctx, access.Keyring{Seals: "k1", Next: "k2", Former: []string{"k1"}, By: "alice", At: someTime}, 0)
	if err != nil || first.Revision == 0 {
		s.Fatalf("%+v, %v", first, err)
	}
	if got, err := s.store.Keyring(ctx); err != nil || !reflect.DeepEqual(got, first) {
		s.Errorf("read %+v, %v, want %+v", got, err, first)
	}
	if got := s.registered().Keyring; !reflect.DeepEqual(got, first) {
		s.Errorf("the register has %+v, want %+v", got, first)
	}
	conflict := func(what string, err error) {
		s.Helper()
		if !errors.Is(err, cluster.ErrConflict) {
			s.Errorf("%s: %v, want ErrConflict", what, err)
		}
	}
	_, err = s.store.PutKeyring(ctx, access.Keyring{Seals: "k9"}, 0)
	conflict("a new keyring over an old one", err)
	_, err = s.store.PutSecret(ctx, secret, 0)
	conflict("a secret that was sealed before", err)
	_, err = s.store.PutSecret(ctx, aSecret("tls"), 0)
	conflict("a new secret that was sealed before", err)
	if secret, err = s.store.PutSecret(ctx, secret, first.Revision); err != nil {
		s.Error(err)
	}
	authorities, err := s.store.PutAuthorities(ctx, access.Authorities{By: "alice", At: someTime})
	if err != nil {
		s.Fatal(err)
	}
	_, err = s.store.PutKeyring(ctx, first.Turned(), 0)
	conflict("beside other authorities", err)
	second, err := s.store.PutKeyring(ctx, first.Turned(), authorities.Revision)
	if err != nil || second.Revision <= first.Revision || second.Seals != "k2" {
		s.Errorf("%+v, %v", second, err)
	}
	_, err = s.store.PutSecret(ctx, secret, first.Revision)
	conflict("a secret by the keyring before", err)
}
