package storetest

import (
	"errors"
	"reflect"

	"argosy/core/cluster"
	"argosy/core/signing"
	"argosy/core/signing/signingtest"
)

func testPolicy(s *suite) {
	ctx := s.Context()
	if p, err := s.store.Policy(ctx); err != nil || !reflect.DeepEqual(p, signing.Policy{}) {
		s.Errorf("before there is one: %+v, %v", p, err)
	}
	alice, bob := signingtest.New("alice <&>").Key(), signingtest.New("").Key()
	first := signing.Policy{Keys: []signing.Key{alice, bob}, Digests: true, By: "root", At: someTime}
	written, err := s.store.PutPolicy(ctx, first)
	if err != nil || written.Revision == 0 {
		s.Fatalf("%+v, %v", written, err)
	}
	if got, err := s.store.Policy(ctx); err != nil || !reflect.DeepEqual(got, written) {
		s.Errorf("read %+v, %v, want %+v", got, err, written)
	}
	if _, err := s.store.PutPolicy(ctx, first); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("a first one over another: %v, want ErrConflict", err)
	}
	twice := written
	twice.Keys = []signing.Key{alice, alice}
	if _, err := s.store.PutPolicy(ctx, twice); err == nil {
		s.Error("a key twice was stored")
	}
	nothing := signing.Policy{Revision: written.Revision, By: "root", At: someTime}
	nothing, err = s.store.PutPolicy(ctx, nothing)
	if err != nil || nothing.Revision <= written.Revision {
		s.Errorf("one that asks for nothing: %+v, %v", nothing, err)
	}
	if got, err := s.store.Policy(ctx); err != nil || got.Asks() || got.By != "root" {
		s.Errorf("read %+v, %v", got, err)
	}
	batch := s.all(cluster.Everything)
	if len(batch.Events) != 0 {
		s.Errorf("followers are told of %+v", batch.Events)
	}
}
