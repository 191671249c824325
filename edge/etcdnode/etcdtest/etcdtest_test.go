package etcdtest

import (
	"testing"

	"go.etcd.io/etcd/client/v3"
)

func TestStart(t *testing.T) {
	client, err := clientv3.New(clientv3.Config{Endpoints: Start(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if _, err := client.Put(t.Context(), "message", "hello"); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(t.Context(), "message")
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "hello" {
		t.Errorf("got %v, %v, want hello", got, err)
	}
	lease, err := client.Grant(t.Context(), 1)
	if err != nil || lease.TTL != 1 {
		t.Errorf("a lease of one second: got %v, %v", lease, err)
	}
}
