package store

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

const (
	benchMachines = 1000 // that the placements go to, each with a guard
	benchUnits    = 23_040
	benchPlan     = 7680 // decisions that the engine commits at a time
)

// BenchmarkRaw128 is the floor: transactions of 128 unguarded puts of the same
// keys and values, several under way. One op is one key.
func BenchmarkRaw128(b *testing.B) {
	for _, clients := range []int{1, 4, 8, 16} {
		b.Run(fmt.Sprintf("inflight=%d", clients), func(b *testing.B) {
			bench := newBench(b)
			for b.Loop() {
				bench.raw(b, clients)
			}
			report(b, b.Elapsed(), "keys/s")
		})
	}
}

// BenchmarkCommit is durable placement, each with its own guards.
func BenchmarkCommit(b *testing.B) {
	bench := newBench(b)
	for b.Loop() {
		bench.commit(b)
	}
	report(b, b.Elapsed(), "keys/s")
}

// BenchmarkCommitToRaw is the budget: both in turns on one store, so that what
// else the machine does slows both, and the rate of the one in percent of the
// other's.
func BenchmarkCommitToRaw(b *testing.B) {
	bench := newBench(b)
	var raw, commit time.Duration
	for b.Loop() {
		start := time.Now()
		bench.raw(b, inFlight)
		middle := time.Now()
		bench.commit(b)
		raw, commit = raw+middle.Sub(start), commit+time.Since(middle)
	}
	report(b, raw, "raw-keys/s")
	report(b, commit, "commit-keys/s")
	b.ReportMetric(100*raw.Seconds()/commit.Seconds(), "%")
}

func report(b *testing.B, took time.Duration, unit string) {
	b.ReportMetric(float64(b.N)*benchUnits/took.Seconds(), unit)
}

// bench is one store with all that placements are decided from.
type bench struct {
	store   *Store
	keys    []string
	values  []string
	changes []schedule.Change
	term    cluster.Leader
}

func newBench(b *testing.B) *bench {
	b.Helper()
	bench := &bench{store: open(b, Config{Endpoints: durableEtcd(b), Timeout: time.Minute})}
	units := bench.fill(b, benchUnits, func(n int) string { return unitKey(unitNumber(n)) }, strings.Repeat("u", 200))
	machines := bench.fill(b, benchMachines, func(n int) string { return machineKey(machineNumber(n)) }, strings.Repeat("m", 400))
	for n := range benchUnits {
		p := cluster.Placement{
			Machine: machineNumber(n % benchMachines), Unit: unitNumber(n),
			Hash: cluster.HashOf(""), Desired: cluster.Launched, Generation: 1, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
			Reason: "the fewest units of 1000 machines that may run it, in zone b",
		}
		value, err := encode(p)
		if err != nil {
			b.Fatal(err)
		}
		bench.keys = append(bench.keys, placementKey(p.Machine, p.Unit))
		bench.values = append(bench.values, string(value))
		bench.changes = append(bench.changes, schedule.Place{
			Placement: p, UnitRevision: units[n], MachineRevision: machines[n%benchMachines],
		})
	}
	var err error
	if bench.term, err = bench.store.TakeLead(b.Context(), cluster.Leader{Run: "bench"}); err != nil {
		b.Fatal(err)
	}
	return bench
}

func unitNumber(n int) cluster.UnitName {
	return cluster.UnitName("web@" + strconv.Itoa(n) + ".service")
}

func machineNumber(n int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%032x", n)) }

// fill writes facts that nobody reads, for their revisions.
func (bench *bench) fill(b *testing.B, count int, key func(int) string, value string) []int64 {
	b.Helper()
	revisions := make([]int64, count)
	for n := range revisions {
		response, err := bench.store.client.Put(b.Context(), key(n), value)
		if err != nil {
			b.Fatal(err)
		}
		revisions[n] = response.Header.Revision
	}
	return revisions
}

// raw writes the placements as etcd does it fastest in transactions of 128.
func (bench *bench) raw(b *testing.B, clients int) {
	slots := make(chan struct{}, clients)
	var work sync.WaitGroup
	for from := 0; from < benchUnits; from += maxOps {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			ops := make([]clientv3.Op, 0, maxOps)
			for n := from; n < min(benchUnits, from+maxOps); n++ {
				ops = append(ops, clientv3.OpPut(bench.keys[n], bench.values[n]))
			}
			if _, err := bench.store.client.Txn(b.Context()).Then(ops...).Commit(); err != nil {
				b.Error(err)
			}
		})
	}
	work.Wait()
}

func (bench *bench) commit(b *testing.B) {
	for from := 0; from < benchUnits; from += benchPlan {
		events, err := bench.store.Commit(b.Context(), bench.term, bench.changes[from:from+benchPlan])
		if err != nil || len(events) != benchPlan {
			b.Fatalf("%d of %d written: %v", len(events), benchPlan, err)
		}
	}
}

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
