package etcdnode

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/proxy/grpcproxy/adapter"
	"google.golang.org/grpc"

	"argosy/core/access"
)

// keepAliveTimeout is how long the client keeps a lease at first, before etcd has
// said how long it lives.
const keepAliveTimeout = time.Second

// rootClient is a client without a network between, for this process's own part in
// the store: whatever it does on its own or for somebody, it does as root.
func rootClient(server *etcdserver.EtcdServer) *clientv3.Client {
	client := v3client.New(server)
	client.KV = clientv3.NewKVFromKVClient(rootKV{adapter.KvServerToKvClient(v3rpc.NewQuotaKVServer(server))}, client)
	client.Lease = clientv3.NewLeaseFromLeaseClient(rootLease{adapter.LeaseServerToLeaseClient(v3rpc.NewQuotaLeaseServer(server))}, client, keepAliveTimeout)
	client.Cluster = clientv3.NewClusterFromClusterClient(rootCluster{adapter.ClusterServerToClusterClient(v3rpc.NewClusterServer(server))}, client)
	watches := adapter.WatchServerToWatchClient(v3rpc.NewWatchServer(server))
	client.Watcher = rootWatcher{clientv3.NewWatchFromWatchClient(rootWatch{watches}, client)}
	return client
}

func asRoot(ctx context.Context) context.Context { return as(ctx, access.StoreRoot) }

type rootKV struct{ pb.KVClient }

func (c rootKV) Range(ctx context.Context, r *pb.RangeRequest, o ...grpc.CallOption) (*pb.RangeResponse, error) {
	return untilSettled(ctx, func() (*pb.RangeResponse, error) { return c.KVClient.Range(asRoot(ctx), r, o...) })
}

func (c rootKV) RangeStream(ctx context.Context, r *pb.RangeRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[pb.RangeStreamResponse], error) {
	return c.KVClient.RangeStream(asRoot(ctx), r, o...)
}

func (c rootKV) Put(ctx context.Context, r *pb.PutRequest, o ...grpc.CallOption) (*pb.PutResponse, error) {
	return untilSettled(ctx, func() (*pb.PutResponse, error) { return c.KVClient.Put(asRoot(ctx), r, o...) })
}

func (c rootKV) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest, o ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	return untilSettled(ctx, func() (*pb.DeleteRangeResponse, error) { return c.KVClient.DeleteRange(asRoot(ctx), r, o...) })
}

func (c rootKV) Txn(ctx context.Context, r *pb.TxnRequest, o ...grpc.CallOption) (*pb.TxnResponse, error) {
	return untilSettled(ctx, func() (*pb.TxnResponse, error) { return c.KVClient.Txn(asRoot(ctx), r, o...) })
}

func (c rootKV) Compact(ctx context.Context, r *pb.CompactionRequest, o ...grpc.CallOption) (*pb.CompactionResponse, error) {
	return untilSettled(ctx, func() (*pb.CompactionResponse, error) { return c.KVClient.Compact(asRoot(ctx), r, o...) })
}

type rootLease struct{ pb.LeaseClient }

func (c rootLease) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest, o ...grpc.CallOption) (*pb.LeaseGrantResponse, error) {
	return untilSettled(ctx, func() (*pb.LeaseGrantResponse, error) { return c.LeaseClient.LeaseGrant(asRoot(ctx), r, o...) })
}

func (c rootLease) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest, o ...grpc.CallOption) (*pb.LeaseRevokeResponse, error) {
	return untilSettled(ctx, func() (*pb.LeaseRevokeResponse, error) { return c.LeaseClient.LeaseRevoke(asRoot(ctx), r, o...) })
}

func (c rootLease) LeaseKeepAlive(ctx context.Context, o ...grpc.CallOption) (pb.Lease_LeaseKeepAliveClient, error) {
	return c.LeaseClient.LeaseKeepAlive(asRoot(ctx), o...)
}

func (c rootLease) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest, o ...grpc.CallOption) (*pb.LeaseTimeToLiveResponse, error) {
	return untilSettled(ctx, func() (*pb.LeaseTimeToLiveResponse, error) {
		return c.LeaseClient.LeaseTimeToLive(asRoot(ctx), r, o...)
	})
}

func (c rootLease) LeaseLeases(ctx context.Context, r *pb.LeaseLeasesRequest, o ...grpc.CallOption) (*pb.LeaseLeasesResponse, error) {
	return untilSettled(ctx, func() (*pb.LeaseLeasesResponse, error) { return c.LeaseClient.LeaseLeases(asRoot(ctx), r, o...) })
}

type rootCluster struct{ pb.ClusterClient }

func (c rootCluster) MemberAdd(ctx context.Context, r *pb.MemberAddRequest, o ...grpc.CallOption) (*pb.MemberAddResponse, error) {
	return untilSettled(ctx, func() (*pb.MemberAddResponse, error) { return c.ClusterClient.MemberAdd(asRoot(ctx), r, o...) })
}

func (c rootCluster) MemberRemove(ctx context.Context, r *pb.MemberRemoveRequest, o ...grpc.CallOption) (*pb.MemberRemoveResponse, error) {
	return untilSettled(ctx, func() (*pb.MemberRemoveResponse, error) { return c.ClusterClient.MemberRemove(asRoot(ctx), r, o...) })
}

func (c rootCluster) MemberUpdate(ctx context.Context, r *pb.MemberUpdateRequest, o ...grpc.CallOption) (*pb.MemberUpdateResponse, error) {
	return untilSettled(ctx, func() (*pb.MemberUpdateResponse, error) { return c.ClusterClient.MemberUpdate(asRoot(ctx), r, o...) })
}

func (c rootCluster) MemberList(ctx context.Context, r *pb.MemberListRequest, o ...grpc.CallOption) (*pb.MemberListResponse, error) {
	return untilSettled(ctx, func() (*pb.MemberListResponse, error) { return c.ClusterClient.MemberList(asRoot(ctx), r, o...) })
}

func (c rootCluster) MemberPromote(ctx context.Context, r *pb.MemberPromoteRequest, o ...grpc.CallOption) (*pb.MemberPromoteResponse, error) {
	return untilSettled(ctx, func() (*pb.MemberPromoteResponse, error) { return c.ClusterClient.MemberPromote(asRoot(ctx), r, o...) })
}

type rootWatch struct{ pb.WatchClient }

func (c rootWatch) Watch(ctx context.Context, o ...grpc.CallOption) (pb.Watch_WatchClient, error) {
	return c.WatchClient.Watch(asRoot(ctx), o...)
}

// rootWatcher hides what a context holds from the client, which prints it to tell
// streams apart and would race with whoever changes it.
type rootWatcher struct{ clientv3.Watcher }

func (w rootWatcher) Watch(ctx context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	return w.Watcher.Watch(nameless{ctx}, key, options...)
}

type nameless struct{ context.Context }

func (nameless) String() string { return "a caller in this process" }
