package v2keys

import (
	"fmt"
	"sync/atomic"
	"testing"

	"argosy/core/keyspace"
	"argosy/edge/etcdnode/etcdtest"
)

// BenchmarkWrites is 100 clients who set keys of their own: plain puts of v3
// beside ours at the sequencer and through another member. It does not sync to
// disk.
func BenchmarkWrites(b *testing.B) {
	client := connect(b, etcdtest.Start(b))
	sequencer, _ := member(b, client)
	leading(b, sequencer)
	gateway, _ := run(b, client, true)
	measure := func(name string, write func(key string) error) {
		b.Run(name, func(b *testing.B) {
			var writers atomic.Int64
			b.SetParallelism(50)
			b.RunParallel(func(pb *testing.PB) {
				key := fmt.Sprintf("/bench/%d", writers.Add(1))
				for pb.Next() {
					if err := write(key); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
	through := func(c *Cluster) func(string) error {
		return func(key string) error {
			_, err := c.Write(b.Context(), keyspace.Set{Key: keyspace.Key(key), Content: value("value")})
			return err
		}
	}
	measure("v3", func(key string) error {
		_, err := client.Put(b.Context(), key, "value")
		return err
	})
	measure("sequencer", through(sequencer))
	measure("gateway", through(gateway))
}
