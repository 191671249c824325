package clustertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.etcd.io/etcd/client/v3"

	"argosy/edge/endpoint"
)

// relay runs endpoint until the test ends and returns where it listens.
func (c *cluster) relay() string {
	c.t.Helper()
	listeners, err := endpoint.Listen(c.t.Context(), []string{"127.0.0.1:0"})
	if err != nil {
		c.t.Fatal(err)
	}
	config := endpoint.Config{Listeners: listeners, TLS: c.tls("local")}
	for _, m := range c.members {
		config.Members = append(config.Members, m.host+":2379")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- endpoint.Run(ctx, config) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
	})
	return listeners[0].Addr().String()
}

// TestRelayThroughLosses writes and watches through the relay while each member in
// turn is stopped or killed and comes back. Nothing that was acknowledged is lost,
// and the watch tells each revision once and in order.
func TestRelayThroughLosses(t *testing.T) {
	c := start(t)
	address := c.relay()
	client := c.connect([]string{address}, nil)
	watching := client.Watch(t.Context(), "w/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watching

	written := 0
	write := func(count int) {
		t.Helper()
		for range count {
			put(t, client, fmt.Sprintf("w/%04d", written), "x")
			written++
		}
	}
	write(10)
	for i, m := range c.members {
		if i == 0 {
			m.stop()
		} else {
			m.kill()
		}
		write(10)
		m.start()
		c.await("after "+m.name+"'s return", c.members[:]...)
		write(10)
	}

	got, err := client.Get(t.Context(), "w/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil || len(got.Kvs) != written {
		t.Fatalf("%d keys (%v), want %d", len(got.Kvs), err, written)
	}
	// A put may have been tried twice, so events are counted by revision.
	for last := int64(0); last < got.Kvs[written-1].ModRevision; {
		response, open := <-watching
		if !open || response.Err() != nil {
			t.Fatalf("the watch ended at revision %d: %v", last, response.Err())
		}
		for _, event := range response.Events {
			if event.Kv.ModRevision <= last {
				t.Fatalf("revision %d was told after %d", event.Kv.ModRevision, last)
			}
			last = event.Kv.ModRevision
		}
	}
}

// TestRelayWithCurl asks what the guides ask with curl.
func TestRelayWithCurl(t *testing.T) {
	address := start(t).relay()
	for path, want := range map[string]string{"/health": `"health":"true"`, "/version": `"etcdserver":"3.7`, "/metrics": "etcd_server_has_leader 1"} {
		if status, body, err := get(nil, "http://"+address+path); err != nil || status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.100q, %v", path, status, body, err)
		}
	}
	response, err := http.Post("http://"+address+"/v3/kv/put", "application/json", strings.NewReader(`{"key":"YQ==","value":"Yg=="}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("put by JSON: %d %q, %v", response.StatusCode, text, err)
	}
}
