package etcdnode

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/tmc/grpc-websocket-proxy/wsproxy"
	"go.etcd.io/etcd/api/v3/etcdserverpb/gw"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	electiongw "go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb/gw"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	lockgw "go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb/gw"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"

	"argosy/core/access"
)

// pipeBytes is how much of a call as JSON waits in the pipe to its server.
const pipeBytes = 1 << 20

// Of a call that came as JSON, the metadata that say who makes it.
const (
	kindField = "argosy-kind"
	nameField = "argosy-name"
	userField = "argosy-user"
)

// gateway turns calls as JSON (/v3/kv/range) into calls. etcd's own refuses
// certificates with a name once its auth is on, because it would call etcd as
// itself. This one calls a server of its own over a pipe in this process, and says
// with each call who makes it; nobody else can reach that pipe.
type gateway struct {
	handler http.Handler
	server  *grpc.Server
	client  *grpc.ClientConn
	serving sync.WaitGroup
}

func openGateway(server *etcdserver.EtcdServer, options []grpc.ServerOption, calls *servers) (*gateway, error) {
	vouched := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			ctx, err := vouchedFor(ctx)
			if err != nil {
				return nil, err
			}
			return handle(ctx, request)
		}),
		grpc.ChainStreamInterceptor(func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			ctx, err := vouchedFor(stream.Context())
			if err != nil {
				return err
			}
			return handle(server, &judgedStream{stream, ctx, info.FullMethod})
		}),
	}
	pipe := bufconn.Listen(pipeBytes)
	client, err := grpc.NewClient("passthrough:///this process",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)))
	if err != nil {
		return nil, fmt.Errorf("open the way for calls as JSON: %w", err)
	}
	g := &gateway{client: client, server: newServer(server, append(vouched, options...))}
	calls.add(g.server)
	g.serving.Go(func() { _ = g.server.Serve(pipe) }) // until it is stopped
	g.handler, err = g.mux()
	if err != nil {
		g.close()
		return nil, fmt.Errorf("open the way for calls as JSON: %w", err)
	}
	return g, nil
}

func (g *gateway) close() {
	_ = g.client.Close()
	g.server.Stop()
	g.serving.Wait()
}

// mux answers in the form that etcd's own gateway has.
func (g *gateway) mux() (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.HTTPBodyMarshaler{Marshaler: &runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true},
			UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
		}}),
		runtime.WithIncomingHeaderMatcher(forwarded),
		runtime.WithMetadata(vouch))
	for _, add := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		gw.RegisterKVHandler, gw.RegisterWatchHandler, gw.RegisterLeaseHandler, gw.RegisterClusterHandler,
		gw.RegisterMaintenanceHandler, gw.RegisterAuthHandler, lockgw.RegisterLockHandler, electiongw.RegisterElectionHandler,
	} {
		if err := add(context.Background(), mux, g.client); err != nil {
			return nil, err
		}
	}
	return wsproxy.WebsocketProxy(mux,
		wsproxy.WithRequestMutator(func(_, outgoing *http.Request) *http.Request {
			outgoing.Method = http.MethodPost // a websocket begins with GET, and calls are POSTs
			return outgoing
		}),
		wsproxy.WithMaxRespBodyBufferSize(math.MaxInt32),
		wsproxy.WithLogger(silent{})), nil
}

// forwarded are the headers that go on as metadata: all but ours.
func forwarded(header string) (string, bool) {
	field, on := runtime.DefaultHeaderMatcher(textproto.CanonicalMIMEHeaderKey(header))
	return field, on && !strings.HasPrefix(strings.ToLower(field), "argosy-")
}

// vouch says whose request becomes a call.
func vouch(ctx context.Context, _ *http.Request) metadata.MD {
	asks, _ := ctx.Value(callerKey{}).(caller)
	return metadata.Pairs(kindField, string(asks.who.Kind), nameField, asks.who.Name, userField, string(asks.user))
}

// vouchedFor reads what vouch wrote, which must be all that stands there.
func vouchedFor(ctx context.Context) (context.Context, error) {
	given, _ := metadata.FromIncomingContext(ctx)
	kind, name, user := given[kindField], given[nameField], given[userField]
	if len(kind) != 1 || len(name) != 1 || len(user) != 1 {
		return nil, status.Error(codes.Unauthenticated, "nobody makes this call, or several do")
	}
	asks := caller{access.Identity{Kind: access.Kind(kind[0]), Name: name[0]}, access.StoreUser(user[0])}
	return asks.in(ctx), nil
}

// newServer is all of etcd's calls.
func newServer(server *etcdserver.EtcdServer, options []grpc.ServerOption) *grpc.Server {
	made := v3rpc.Server(server, nil, nil, options...)
	client := v3client.New(server) // which calls as whoever calls it
	v3electionpb.RegisterElectionServer(made, v3election.NewElectionServer(client))
	v3lockpb.RegisterLockServer(made, v3lock.NewLockServer(client))
	return made
}

// plain are the requests that etcd answers beside calls, and what else is served.
func plain(server *etcdserver.EtcdServer, etcd *embed.Config, handlers map[string]http.Handler, calls http.Handler) http.Handler {
	own := http.NewServeMux()
	etcdhttp.HandleDebug(own)
	etcdhttp.HandleVersion(own, server)
	etcdhttp.HandleMetrics(own)
	etcdhttp.HandleHealth(etcd.GetLogger(), own, server)
	mux := http.NewServeMux()
	mux.Handle("/", own)
	mux.Handle("/v3/", calls)
	mux.Handle("/v3beta/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/v3beta/", "/v3/", 1)
		calls.ServeHTTP(w, r)
	}))
	for path, handler := range handlers {
		mux.Handle(path, handler)
	}
	return mux
}

type silent struct{}

func (silent) Warnln(...any)  {}
func (silent) Debugln(...any) {}
