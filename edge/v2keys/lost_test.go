package v2keys

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/keyspace"
	"argosy/edge/etcdnode/etcdtest"
)

// losing is an etcd of which some transactions seem lost: they have not come
// through, or they have, or they will after the next ones.
type losing struct {
	clientv3.KV
	on   *atomic.Bool
	late chan clientv3.Txn
}

func (l losing) Txn(ctx context.Context) clientv3.Txn {
	return &losingTxn{l.KV.Txn(context.WithoutCancel(ctx)), l}
}

type losingTxn struct {
	clientv3.Txn
	losing
}

func (l *losingTxn) If(cs ...clientv3.Cmp) clientv3.Txn   { l.Txn.If(cs...); return l }
func (l *losingTxn) Then(ops ...clientv3.Op) clientv3.Txn { l.Txn.Then(ops...); return l }
func (l *losingTxn) Else(ops ...clientv3.Op) clientv3.Txn { l.Txn.Else(ops...); return l }

func (l *losingTxn) Commit() (*clientv3.TxnResponse, error) {
	fate := rand.IntN(10)
	if !l.on.Load() {
		fate = 9
	}
	switch fate {
	case 0:
		return nil, rpctypes.ErrTimeout
	case 1:
		_, _ = l.Txn.Commit()
		return nil, rpctypes.ErrTimeoutDueToLeaderFail
	case 2:
		l.late <- l.Txn
		return nil, context.DeadlineExceeded
	}
	done, err := l.Txn.Commit()
	if len(l.late) > 1 {
		_, _ = (<-l.late).Commit()
	}
	return done, err
}

// TestWhatSeemsLostIsDoneOnce: of the transactions of a sequencer and of another
// member, many seem lost. Every write is acknowledged all the same, and was carried
// out once, where it was said to be.
func TestWhatSeemsLostIsDoneOnce(t *testing.T) {
	endpoints := etcdtest.Start(t)
	var on atomic.Bool
	var members []*Cluster
	for range 2 {
		client := connect(t, endpoints)
		client.KV = losing{client.KV, &on, make(chan clientv3.Txn, 1000)}
		m, _ := member(t, client)
		members = append(members, m)
		leading(t, members[0])
	}
	on.Store(true)
	acknowledged := map[string]string{}
	var mu sync.Mutex
	var writers sync.WaitGroup
	for writer := range 20 {
		writers.Go(func() {
			for i := range 10 {
				v := fmt.Sprintf("%d-%d", writer, i)
				answer, err := members[writer%2].Write(t.Context(), keyspace.CreateInOrder{Directory: "/q", Content: value(v)})
				if err != nil {
					t.Errorf("write %s: %v", v, err)
					continue
				}
				mu.Lock()
				acknowledged[v] = string(answer.Event.Node.Key)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	on.Store(false)
	checkAcknowledged(t, members[1], acknowledged)
	if answer, err := members[1].Read(t.Context(), keyspace.Get{Key: "/q", Quorum: true}); err != nil || len(answer.Event.Node.Nodes) != 200 {
		t.Errorf("%d writes were carried out of 200: %v", len(answer.Event.Node.Nodes), err)
	}
}

// TestASilentSequencerIsReplaced: one holds the office and does nothing. Its lease
// goes on for longer than anybody waits.
func TestASilentSequencerIsReplaced(t *testing.T) {
	client := connect(t, etcdtest.Start(t))
	if _, err := client.Put(t.Context(), electionPrefix+"/0", "silent"); err != nil {
		t.Fatal(err)
	}
	cluster, _ := member(t, client)
	begun := time.Now()
	answer, err := cluster.Write(t.Context(), keyspace.Set{Key: "/a", Content: value("x")})
	if err != nil || answer.Index != firstIndex+1 {
		t.Fatalf("%+v %v", answer, err)
	}
	t.Logf("written after %v", time.Since(begun).Round(time.Millisecond))
}
