package store

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/edge/etcdnode/etcdtest"
	"argosy/edge/store/storetest"
)

// TestContract gives each part of the contract an emptied store in one etcd.
func TestContract(t *testing.T) {
	endpoints := etcdtest.Start(t)
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		s := open(t, Config{Endpoints: endpoints})
		if _, err := s.client.Delete(t.Context(), "/argosy/", clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func open(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
