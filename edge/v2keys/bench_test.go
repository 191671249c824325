package v2keys

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"argosy/core/keyspace"
	"argosy/edge/etcdnode/etcdtest"
)

const (
	clients   = 100
	perClient = 20 // requests of each client in one turn
)

// contender is one way to the store that is measured.
type contender struct {
	name string
	ask  func(ctx context.Context, key string) error
}

// race lets the contenders take short turns, so that what else the machine does
// is shared by all, and reports the rate of each and its part of the first's.
func race(b *testing.B, contenders []contender) {
	spent := make([]time.Duration, len(contenders))
	for b.Loop() {
		for i, c := range contenders {
			begun := time.Now()
			var asking sync.WaitGroup
			for client := range clients {
				asking.Go(func() {
					key := fmt.Sprintf("/bench/%d", client)
					for range perClient {
						if err := c.ask(b.Context(), key); err != nil {
							b.Error(c.name, err)
						}
					}
				})
			}
			asking.Wait()
			spent[i] += time.Since(begun)
		}
	}
	for i, c := range contenders {
		b.ReportMetric(float64(b.N*clients*perClient)/spent[i].Seconds(), c.name+"/s")
		if i > 0 {
			b.ReportMetric(100*spent[0].Seconds()/spent[i].Seconds(), c.name+"-%-of-"+contenders[0].name)
		}
	}
}

// BenchmarkWrites is 100 clients who set keys of their own: plain puts of v3
// beside ours at the sequencer and through another member. It does not sync to
// disk. edge/etcdnode/clustertest has the same with three members that do.
func BenchmarkWrites(b *testing.B) {
	endpoints := etcdtest.Start(b)
	client := connect(b, endpoints)
	sequencer, _ := member(b, connect(b, endpoints))
	leading(b, sequencer)
	gateway, _ := run(b, connect(b, endpoints), true)
	through := func(c *Cluster) func(context.Context, string) error {
		return func(ctx context.Context, key string) error {
			_, err := c.Write(ctx, keyspace.Set{Key: keyspace.Key(key), Content: value("value")})
			return err
		}
	}
	race(b, []contender{
		{"v3", func(ctx context.Context, key string) error {
			_, err := client.Put(ctx, key, "value")
			return err
		}},
		{"sequencer", through(sequencer)},
		{"gateway", through(gateway)},
	})
}
