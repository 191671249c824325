package clustertest

import (
	"context"
	"fmt"
	"testing"

	"go.etcd.io/etcd/client/v3"
)

func put(t *testing.T, client *clientv3.Client, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	until(t, ctx, "put "+key, func(ctx context.Context) error {
		_, err := client.Put(ctx, key, value)
		return err
	})
}

func expect(t *testing.T, client *clientv3.Client, key, want string) {
	t.Helper()
	got, err := client.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != want {
		t.Errorf("%s: got %v, want %q", key, got.Kvs, want)
	}
}

func others(c *cluster, without *member) []*member {
	var rest []*member
	for _, m := range c.members {
		if m != without {
			rest = append(rest, m)
		}
	}
	return rest
}

func TestLoss(t *testing.T) {
	c := start(t)
	client := c.client(c.members[:]...)
	put(t, client, "before", "1")

	leader := c.await("before the loss", c.members[:]...)
	if leader == nil {
		t.Fatal("nobody leads")
	}
	leader.kill()
	put(t, client, "without the leader", "2")
	c.await("after the loss", others(c, leader)...)

	leader.start()
	c.await("the killed one is back", leader)
	expect(t, c.client(leader), "without the leader", "2")

	// All of them at once, as when the power of the building fails.
	for _, m := range c.members {
		m.kill()
	}
	for _, m := range c.members {
		m.start()
	}
	c.await("after all were killed", c.members[:]...)
	for _, m := range c.members {
		expect(t, c.client(m), "before", "1")
		expect(t, c.client(m), "without the leader", "2")
	}

	for _, m := range c.members {
		m.stop()
	}
	for _, m := range c.members {
		m.start()
	}
	c.await("after all were stopped", c.members[:]...)
	expect(t, client, "without the leader", "2")
}

// TestStopMovesLeadership stops the leader. It may end only once another leads, so
// the very next read, of any other member, finds a leader that is not it.
func TestStopMovesLeadership(t *testing.T) {
	c := start(t)
	leader := c.await("before the stop", c.members[:]...)
	if leader == nil {
		t.Fatal("nobody leads")
	}
	first, err := c.client(leader).Status(t.Context(), leader.url(2379))
	if err != nil {
		t.Fatal(err)
	}
	rest := others(c, leader)
	clients := []*clientv3.Client{c.client(rest[0]), c.client(rest[1])}
	for i, client := range clients { // connected before, so that nothing but the leader can be missing
		if _, err := client.Status(t.Context(), rest[i].url(2379)); err != nil {
			t.Fatal(err)
		}
	}
	// A watch is open through the one that stops, and goes on through another.
	all := c.client(append([]*member{leader}, rest...)...)
	watching := all.Watch(t.Context(), "w", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watching

	leader.stop()
	for i, client := range clients {
		status, err := client.Status(t.Context(), rest[i].url(2379))
		if err != nil || status.Leader == 0 || status.Leader == first.Leader {
			t.Errorf("%s says after the stop: %+v, %v; the old leader is %x", rest[i].name, status, err, first.Leader)
		}
	}
	for i := range 3 {
		put(t, clients[0], fmt.Sprint("w", i), "x")
	}
	for seen := 0; seen < 3; {
		response, open := <-watching
		if !open || response.Err() != nil {
			t.Fatalf("the watch ended after %d events: %v", seen, response.Err())
		}
		seen += len(response.Events)
	}
}
