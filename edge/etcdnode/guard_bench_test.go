package etcdnode

import (
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"

	"argosy/core/access"
)

// batch is how many keys a transaction has, as the engine's have.
const batch = 128

// spent is the processor time of this process, which the member and its client
// share: what a busy machine leaves them does not change it.
func spent(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkTransactions writes transactions of 128 keys, 16 at a time, without a
// guard, with one, and with etcd's auth too, in one run.
func BenchmarkTransactions(b *testing.B) {
	for _, c := range []struct {
		name    string
		who     access.Identity
		guarded bool
		shut    bool
	}{
		{"open/member", asMember, false, false},
		{"guarded/member", asMember, true, false},
		{"guarded_auth/member", asMember, true, true},
		{"guarded_auth/worker", asWorker, true, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b)
			if c.guarded {
				w = begin(b, nil)
			} else {
				w.run(nil, nil)
			}
			if c.shut {
				w.shut()
			}
			client := w.client(c.who)
			var puts []clientv3.Op
			for i := range batch {
				puts = append(puts, clientv3.OpPut(fmt.Sprintf("%s%03d", ownState, i), "a value of about the size that a placement's has in the store"))
			}
			_, err := client.Txn(b.Context()).Then(puts...).Commit()
			w.must(err)
			before := spent(b)
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := client.Txn(b.Context()).If(clientv3.Compare(clientv3.Version(ownState), "=", 0)).Then(puts...).Commit(); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64((spent(b)-before).Microseconds())/float64(b.N), "processor-us/op")
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

// BenchmarkJudge is what the guard itself spends on a call, before etcd sees it.
func BenchmarkJudge(b *testing.B) {
	txn := &pb.TxnRequest{Compare: []*pb.Compare{{Key: []byte(ownState)}}}
	for i := range batch {
		txn.Success = append(txn.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{
			Key: fmt.Appendf(nil, "%s%03d", ownState, i), Lease: access.LeaseID(machineB, 1),
		}}})
	}
	for _, c := range []struct {
		name    string
		by      caller
		method  string
		message any
	}{
		{"root's transaction", caller{asMember, access.StoreRoot}, pb.KV_Txn_FullMethodName, txn},
		{"a worker's transaction", caller{asWorker, access.StoreWorker}, pb.KV_Txn_FullMethodName, txn},
		{"a worker's read", caller{asWorker, access.StoreWorker}, pb.KV_Range_FullMethodName, &pb.RangeRequest{Key: []byte(ownState)}},
		{"a worker's renewal", caller{asWorker, access.StoreWorker}, pb.Lease_LeaseKeepAlive_FullMethodName, &pb.LeaseKeepAliveRequest{ID: access.LeaseID(machineB, 1)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx := c.by.in(b.Context())
			b.ReportAllocs()
			before := spent(b)
			for b.Loop() {
				if _, err := userFor(ctx, c.method, c.message); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((spent(b)-before).Nanoseconds())/float64(b.N), "processor-ns/op")
		})
	}
}
