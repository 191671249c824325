package v2keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"argosy/core/keyspace"
	"argosy/edge/etcdnode/etcdtest"
)

func connect(t testing.TB, endpoints []string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// member runs one member's part and returns how to end it.
func member(t testing.TB, client *clientv3.Client) (*Cluster, func()) {
	return run(t, client, false)
}

func run(t testing.TB, client *clientv3.Client, gateway bool) (*Cluster, func()) {
	t.Helper()
	cluster := NewCluster(ClusterConfig{
		Client: client, Member: rand.Text(), Gateway: gateway, Now: time.Now, Raft: func() Raft { return Raft{Index: 7, Term: 2} },
		Report: func(err error) {
			if strings.Contains(err.Error(), "replay") {
				t.Error(err) // the log does not follow from itself
			}
			t.Log(err)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cluster.Run(ctx)
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return cluster, stop
}

// leading waits until the member is the sequencer.
func leading(t testing.TB, c *Cluster) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); c.term.Load() == nil; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody became the sequencer")
		}
	}
}

func value(v string) keyspace.Content { return keyspace.Content{Value: v} }

func listing(t testing.TB, c *Cluster) string {
	t.Helper()
	answer, err := c.Read(t.Context(), keyspace.Get{Key: "/", Recursive: true, Quorum: true})
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.Event.AppendJSON(nil))
}

func TestEveryMemberTellsTheSame(t *testing.T) {
	client := connect(t, etcdtest.Start(t))
	first, _ := member(t, client)
	leading(t, first)
	second, _ := member(t, client)
	waiting, err := first.Wait(t.Context(), keyspace.Watch{Key: "/a", Recursive: true, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()

	writes := []keyspace.Write{
		keyspace.Set{Key: "/a/b/c", Content: value("\xff\x00 any bytes")},
		keyspace.Create{Key: "/a/empty"},
		keyspace.Update{Key: "/a/b", Content: keyspace.Content{Expiration: time.Now().Add(time.Hour)}},
		keyspace.CompareAndSwap{Key: "/a/empty", Guard: keyspace.Guard{Index: 5}, Content: value("x")},
		keyspace.CompareAndDelete{Key: "/a/empty", Guard: keyspace.Guard{Value: "x"}},
		keyspace.CreateInOrder{Directory: "/a", Content: value("y")},
		keyspace.Delete{Key: "/a", Recursive: true},
	}
	for i, write := range writes {
		answer, err := []*Cluster{second, first}[i%2].Write(t.Context(), write)
		if err != nil || answer.Index != uint64(firstIndex+1+i) {
			t.Fatalf("%#v: %+v %v", write, answer, err)
		}
		event, _ := waiting.Next(t.Context())
		if got, want := string(event.AppendJSON(nil)), string(answer.Event.AppendJSON(nil)); got != want {
			t.Errorf("the writer was told\n%s who waited\n%s", want, got)
		}
		_, err = second.Write(t.Context(), keyspace.Create{Key: "/a"})
		if i < len(writes)-1 {
			var refusal *keyspace.Error
			if !errors.As(err, &refusal) || refusal.Code != keyspace.KeyExists || refusal.Index != answer.Index {
				t.Errorf("a refusal at %d: %v", answer.Index, err)
			}
		}
		if one, other := listing(t, first), listing(t, second); one != other {
			t.Errorf("one lists\n%s the other\n%s", one, other)
		}
	}
}

// TestANewMemberKnowsAll: what is kept is the tree and its history, and is
// readable with v3.
func TestANewMemberKnowsAll(t *testing.T) {
	client := connect(t, etcdtest.Start(t))
	first, stop := member(t, client)
	for i := range 1200 {
		write := keyspace.Set{Key: keyspace.CleanKey(fmt.Sprintf("/d%d/k%d", i%3, i%200)), Content: value(fmt.Sprint(i))}
		if _, err := first.Write(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Write(t.Context(), keyspace.Delete{Key: "/d1", Recursive: true}); err != nil {
		t.Fatal(err)
	}
	want := listing(t, first)
	stop()
	second, _ := member(t, client)
	if got := listing(t, second); got != want {
		t.Errorf("it lists\n%s and not\n%s", got, want)
	}
	const index = firstIndex + 1201
	waiting, err := second.Wait(t.Context(), keyspace.Watch{Key: "/", Recursive: true, Since: index - 999})
	if err != nil {
		t.Fatal(err)
	}
	if event, _ := waiting.Next(t.Context()); event.Node.Modified != index-999 {
		t.Errorf("the oldest event is %d", event.Node.Modified)
	}
	waiting.Close()
	_, err = second.Wait(t.Context(), keyspace.Watch{Key: "/", Since: index - 1000})
	var refusal *keyspace.Error
	if !errors.As(err, &refusal) || refusal.Code != keyspace.HistoryCleared {
		t.Errorf("beyond the history: %v", err)
	}
	read, err := client.Get(t.Context(), valuesPrefix+"/", clientv3.WithPrefix())
	if err != nil || len(read.Kvs) != 400 || string(read.Kvs[0].Value) == "" {
		t.Errorf("v3 sees %d values: %v", len(read.Kvs), err)
	}
}

// TestTakeover: sequencers come and go, the last but one without a word, while
// writers write through a gateway that stays. What was acknowledged is there
// once, where it was said to be, and all the rest at most once.
func TestTakeover(t *testing.T) {
	endpoints := etcdtest.Start(t)
	gateway, _ := run(t, connect(t, endpoints), true)
	acknowledged := map[string]string{}
	var mu sync.Mutex
	var writers sync.WaitGroup
	enough := make(chan struct{})
	for writer := range 80 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-enough:
					return
				default:
				}
				v := fmt.Sprintf("%d-%d", writer, i)
				answer, err := gateway.Write(t.Context(), keyspace.CreateInOrder{Directory: "/q", Content: value(v)})
				mu.Lock()
				if err == nil {
					acknowledged[v] = string(answer.Event.Node.Key)
				}
				mu.Unlock()
			}
		})
	}
	lead := func(client *clientv3.Client) (stop func()) {
		sequencer, stop := member(t, client)
		leading(t, sequencer)
		mu.Lock()
		before := len(acknowledged)
		mu.Unlock()
		more := func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged) >= before+500
		}
		for deadline := time.Now().Add(20 * time.Second); !more(); <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the new sequencer acknowledges nothing after %d", before)
			}
		}
		return stop
	}
	for range 3 {
		lead(connect(t, endpoints))()
	}
	lost := connect(t, endpoints)
	lead(lost)
	_ = lost.Close() // its lease lives on for a while, and so does its term
	lead(connect(t, endpoints))
	close(enough)
	writers.Wait()
	checkAcknowledged(t, gateway, acknowledged)
}

func checkAcknowledged(t *testing.T, c *Cluster, acknowledged map[string]string) {
	t.Helper()
	answer, err := c.Read(t.Context(), keyspace.Get{Key: "/q", Quorum: true})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, node := range answer.Event.Node.Nodes {
		if before, twice := found[*node.Value]; twice {
			t.Errorf("%s is at %s and %s", *node.Value, before, node.Key)
		}
		found[*node.Value] = string(node.Key)
	}
	for v, key := range acknowledged {
		if found[v] != key {
			t.Errorf("%s was acknowledged at %s and is at %q", v, key, found[v])
		}
	}
}

// TestADeposedSequencerWritesNothing: who no longer holds the office is told, or
// finds out by its transaction. What it decided is as if it never was, and is left
// to the next.
func TestADeposedSequencerWritesNothing(t *testing.T) {
	client := connect(t, etcdtest.Start(t))
	cluster, _ := member(t, client)
	leading(t, cluster)
	if _, err := cluster.Write(t.Context(), keyspace.Set{Key: "/a", Content: value("before")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Delete(t.Context(), electionPrefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	answer, err := cluster.Write(t.Context(), keyspace.Set{Key: "/a", Content: value("deposed")})
	if err != nil || answer.Index != firstIndex+2 || *answer.Event.PrevNode.Value != "before" {
		t.Errorf("the write of the deposed: %+v %v", answer.Event.PrevNode, err)
	}
	answer, err = cluster.Write(t.Context(), keyspace.Set{Key: "/a", Content: value("after")})
	if err != nil || answer.Index != firstIndex+3 || *answer.Event.PrevNode.Value != "deposed" {
		t.Errorf("the next write: %+v %v", answer.Event.PrevNode, err)
	}
}

func TestExpiryIsToldEverywhere(t *testing.T) {
	client := connect(t, etcdtest.Start(t))
	first, _ := member(t, client)
	leading(t, first)
	second, _ := member(t, client)
	if _, err := second.Write(t.Context(), keyspace.Set{Key: "/d", Dir: true, Content: keyspace.Content{Expiration: time.Now().Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if _, err := second.Write(t.Context(), keyspace.Set{Key: keyspace.CleanKey(fmt.Sprint("/d/", i)), Content: value("x")}); err != nil {
			t.Fatal(err)
		}
	}
	waiting, err := second.Wait(t.Context(), keyspace.Watch{Key: "/d/7"})
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if _, err := second.Write(t.Context(), keyspace.Update{Key: "/d", Content: keyspace.Content{Expiration: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	event, told := waiting.Next(t.Context())
	if !told || event.Action != keyspace.ActionExpire || event.Node.Key != "/d" {
		t.Errorf("told of %+v", event)
	}
	if got := listing(t, first); got != `{"action":"get","node":{"dir":true}}`+"\n" {
		t.Errorf("still there: %s", got)
	}
	left, err := client.Get(t.Context(), nodesPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || left.Count != 0 {
		t.Errorf("%d nodes are still kept: %v", left.Count, err)
	}
}

func TestWhatNoTransactionHoldsIsRefusedAtOnce(t *testing.T) {
	client := connect(t, etcdtest.Start(t))
	cluster, _ := member(t, client)
	deep := func(parts int) keyspace.Key { return keyspace.Key(strings.Repeat("/d", parts)) }
	large := make([]byte, Limits{}.largestValue())
	for _, test := range []struct {
		write keyspace.Write
		fits  bool
	}{
		{keyspace.Set{Key: deep(650), Content: value("x")}, true},
		{keyspace.Set{Key: deep(700), Content: value("x")}, false},
		{keyspace.Set{Key: "/2" + deep(100), Content: value(string(large))}, true},
		{keyspace.Set{Key: "/2" + deep(100), Content: value(string(large))}, true},
		{keyspace.Set{Key: "/2" + deep(500), Content: value(string(large))}, false},
		{keyspace.Set{Key: "/large", Content: value(string(large))}, true},
		{keyspace.Set{Key: "/large", Content: value(string(large))}, true}, // with its like before it
		{keyspace.Set{Key: "/large", Content: value(string(large) + "x")}, false},
		{keyspace.Delete{Key: "/d", Recursive: true}, true},
	} {
		if _, err := cluster.Write(t.Context(), test.write); (err == nil) != test.fits {
			t.Errorf("%T %.40s: %v", test.write, fmt.Sprint(test.write), err)
		}
	}
	// Nobody's request does not keep others from being served.
	if _, err := client.Put(t.Context(), requestsPrefix+"rubbish", "{"); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Write(t.Context(), keyspace.Set{Key: "/after", Content: value("x")}); err != nil {
		t.Error(err)
	}
}
