package store

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// durableEtcd is one member that syncs each write to disk, as in a cluster.
func durableEtcd(b *testing.B) []string {
	b.Helper()
	loopback := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = b.TempDir()
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{loopback}, []url.URL{loopback}
	config.ListenPeerUrls, config.AdvertisePeerUrls = nil, []url.URL{loopback}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.EnableGRPCGateway = false
	config.QuotaBackendBytes = 8 << 30
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	server, err := embed.StartEtcd(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Close)
	<-server.Server.ReadyNotify()
	return []string{server.Clients[0].Addr().String()}
}

// benchMachines is how many machines the placements go to, each with a guard.
const benchMachines = 1000

func aPlacement(n int) cluster.Placement {
	return cluster.Placement{
		Machine: cluster.MachineID(fmt.Sprintf("%032x", n%benchMachines)), Unit: cluster.UnitName("web@" + strconv.Itoa(n) + ".service"),
		Hash: cluster.HashOf(""), Desired: cluster.Launched, Generation: 1, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Reason: "the fewest units of 1000 machines that may run it, in zone b",
	}
}

// BenchmarkRaw128 is the floor: transactions of 128 unguarded puts of the same
// keys and values, as many under way as serves etcd best. One op is one key.
func BenchmarkRaw128(b *testing.B) {
	for _, clients := range []int{1, 4, 8, 16} {
		b.Run(fmt.Sprintf("inflight=%d", clients), func(b *testing.B) {
			s := open(b, Config{Endpoints: durableEtcd(b), Timeout: time.Minute})
			value, err := encode(aPlacement(0))
			if err != nil {
				b.Fatal(err)
			}
			var next atomic.Int64
			b.ResetTimer()
			done := make(chan error)
			for range clients {
				go func() {
					for {
						from := int(next.Add(maxOps)) - maxOps
						if from >= b.N {
							done <- nil
							return
						}
						ops := make([]clientv3.Op, 0, maxOps)
						for n := from; n < min(b.N, from+maxOps); n++ {
							p := aPlacement(n)
							ops = append(ops, clientv3.OpPut(placementKey(p.Machine, p.Unit), value))
						}
						if _, err := s.client.Txn(b.Context()).Then(ops...).Commit(); err != nil {
							done <- err
							return
						}
					}
				}()
			}
			for range clients {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

// BenchmarkCommit is durable placement: each with its own guards, decided in
// plans as the engine's. One op is one placement.
func BenchmarkCommit(b *testing.B) {
	s := open(b, Config{Endpoints: durableEtcd(b), Timeout: time.Minute})
	term, revisions := benchFacts(b, s)
	const plan = 4096
	b.ResetTimer()
	for from := 0; from < b.N; from += plan {
		changes := make([]schedule.Change, 0, plan)
		for n := from; n < min(b.N, from+plan); n++ {
			p := aPlacement(n)
			p.Unit = cluster.UnitName("web@" + strconv.Itoa(n%len(revisions.units)) + ".service")
			changes = append(changes, schedule.Place{Placement: p, UnitRevision: revisions.units[n%len(revisions.units)], MachineRevision: revisions.machines[n%benchMachines]})
		}
		events, err := s.Commit(b.Context(), term, changes)
		if err != nil || len(events) != len(changes) {
			b.Fatalf("%d of %d written: %v", len(events), len(changes), err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}

type benchRevisions struct{ units, machines []int64 }

// benchFacts writes 20,000 units and the machines, raw, and takes the lead.
func benchFacts(b *testing.B, s *Store) (cluster.Leader, benchRevisions) {
	b.Helper()
	fill := func(count int, key func(int) string, value string) []int64 {
		revisions := make([]int64, count)
		for from := 0; from < count; from += maxOps {
			var ops []clientv3.Op
			for n := from; n < min(count, from+maxOps); n++ {
				ops = append(ops, clientv3.OpPut(key(n), value))
			}
			response, err := s.client.Txn(b.Context()).Then(ops...).Commit()
			if err != nil {
				b.Fatal(err)
			}
			for n := from; n < min(count, from+maxOps); n++ {
				revisions[n] = response.Header.Revision
			}
		}
		return revisions
	}
	revisions := benchRevisions{
		units: fill(20_000, func(n int) string { return unitKey(aPlacement(n).Unit) }, strings.Repeat("u", 200)),
		machines: fill(benchMachines, func(n int) string { return machineKey(aPlacement(n).Machine) },
			strings.Repeat("m", 400)),
	}
	term, err := s.TakeLead(b.Context(), cluster.Leader{Run: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return term, revisions
}
