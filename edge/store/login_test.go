package store

import (
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/cluster"
	"argosy/edge/etcdnode/etcdtest"
)

// A store that asks for a password takes the right one and no other.
func TestLogin(t *testing.T) {
	endpoints := etcdtest.Start(t)
	root, err := clientv3.New(clientv3.Config{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for what, do := range map[string]func() error{
		"user": func() error { _, err := root.UserAdd(t.Context(), "root", "sesame"); return err },
		"role": func() error { _, err := root.RoleAdd(t.Context(), "root"); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(what, err)
		}
	}
	if _, err := root.UserGrantRole(t.Context(), "root", "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.AuthEnable(t.Context()); err != nil {
		t.Fatal(err)
	}
	known := open(t, Config{Endpoints: endpoints, Username: "root", Password: "sesame"})
	if _, err := known.TakeLead(t.Context(), cluster.Leader{Machine: "m"}); err != nil {
		t.Error(err)
	}
	if _, err := Open(Config{Endpoints: endpoints, Username: "root", Password: "open"}); err == nil || !strings.Contains(err.Error(), "invalid user ID or password") {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := open(t, Config{Endpoints: endpoints}).GrantLease(t.Context(), 0); err == nil {
		t.Error("no password was asked for")
	}
}
