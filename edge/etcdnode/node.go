// Package etcdnode runs etcd, the real server (go.etcd.io/etcd/server/v3), in this
// process: a member of the cluster's store. Parse reads what etcd's own command
// reads, the same flags, variables and file; Run serves until it is told to stop.
//
// A Guard has its client ports, where one is wanted: it lets in who holds one of the
// cluster's certificates, each to what they may do.
//
// It knows nothing of what the store holds but who is revoked and what role people
// have; edge/store does.
package etcdnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"google.golang.org/grpc"
)

// drain is how long requests may take to finish once etcd stops. Watches never
// finish, so without it every stop takes etcd's own limit of seven seconds.
const drain = time.Second

// window is how much a client may send before it is acknowledged. A fixed one ends
// gRPC's measuring of the line, which answers each small request with a question:
// a fifth of what ten thousand idle machines cost.
const window = 4 << 20

// Config is what Run needs.
type Config struct {
	Etcd *embed.Config // as Parse made it; Run copies it

	// Guard, if set, has the client ports, which are then https with one certificate
	// of the cluster's for everybody. Without one etcd is as it comes.
	Guard *Guard

	// Handlers are served on the client ports beside etcd's own paths, with
	// which they may not clash (net/http panics on two handlers of one path).
	Handlers map[string]http.Handler
	// Beside runs from when this member has joined until it begins to stop, and is
	// waited for while etcd still serves; may be nil.
	Beside func(context.Context, Member)

	Ready    func() // called once, when this member has joined and answers; may be nil
	Stopping func() // called once, when it begins to stop; may be nil
}

// Member is this process's own etcd, for what runs beside it.
type Member struct {
	Client    *clientv3.Client // without a network between; it acts as the user root
	Addresses []net.Addr       // of the client ports
	ClusterID uint64
	ID        uint64
	Leader    func() uint64               // the id of who leads; 0 while nobody does
	Raft      func() (index, term uint64) // how far it has applied
	Removed   func(id uint64) bool        // whether there was such a member, which was removed
	// Stats are etcd 2's statistics of this member since it began, as JSON: of itself,
	// and of its followers, which means something while it leads.
	Stats func() (self, leader []byte, err error)
}

// Run starts etcd and serves until ctx ends, or until etcd stops by itself, which
// is an error. It hands raft's leadership to another member before it stops.
func Run(ctx context.Context, config Config) error {
	etcd := *config.Etcd
	etcd.UserHandlers = config.Handlers
	var calls servers
	etcd.ServiceRegister = calls.add
	etcd.GRPCAdditionalServerOptions = append(slices.Clip(etcd.GRPCAdditionalServerOptions),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window))
	var closing atomic.Bool
	if logger := etcd.GetLogger(); logger != nil { // nil: Parse did not make it
		etcd.ZapLoggerBuilder = embed.NewZapLoggerBuilder(calmed(logger, &closing))
	}
	front, err := openFront(config, &etcd, &calls)
	if err != nil {
		return fmt.Errorf("start etcd %s: %w", etcd.Name, err)
	}
	server, err := embed.StartEtcd(&etcd)
	if err != nil {
		front.stop()
		return fmt.Errorf("start etcd %s: %w", etcd.Name, err)
	}
	err = serve(ctx, server, front, config)
	closing.Store(true)
	if config.Stopping != nil {
		config.Stopping()
	}
	stop(server.Server)
	front.stop()
	closeServer(server, &calls)
	if err != nil {
		return fmt.Errorf("run etcd %s: %w", etcd.Name, err)
	}
	return nil
}

// serve returns when ctx ends (nil), or with what ended etcd.
func serve(ctx context.Context, server *embed.Etcd, front *front, config Config) error {
	beside, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	parts.Go(func() { watchPeers(beside, server) })
	joined := server.Server.ReadyNotify()
	for {
		select {
		case <-joined:
			joined = nil
			member := memberOf(server)
			if front != nil {
				if err := front.start(ctx, server.Server); err != nil {
					return err
				}
				member.Addresses = front.addresses()
			}
			if config.Beside != nil {
				parts.Go(func() { config.Beside(beside, member) })
			}
			if config.Ready != nil {
				config.Ready()
			}
		case <-ctx.Done():
			return nil
		case err := <-server.Err():
			return err
		case err := <-front.failures():
			return err
		case <-server.Server.StopNotify():
			return errors.New("it stopped by itself, as it does when it was removed from its cluster; its log says why")
		}
	}
}

func memberOf(running *embed.Etcd) Member {
	server := running.Server
	var addresses []net.Addr
	for _, listener := range running.Clients {
		addresses = append(addresses, listener.Addr())
	}
	return Member{
		Client:    rootClient(server),
		Addresses: addresses,
		ClusterID: uint64(server.Cluster().ID()),
		ID:        uint64(server.MemberID()),
		Leader:    func() uint64 { return uint64(server.Leader()) },
		Raft:      func() (index, term uint64) { return server.AppliedIndex(), server.Term() },
		Removed:   server.IsIDRemoved,
		Stats:     func() (self, leader []byte, err error) { return statsOf(server) },
	}
}

// stop moves leadership away while etcd still serves, so that clients see an
// election's pause only where nobody could take over. An etcd that has not joined
// ends here, because closing one would wait for it to join.
func stop(server *etcdserver.EtcdServer) {
	select {
	case <-server.ReadyNotify():
		_ = server.TryTransferLeadershipOnShutdown() // closing tries again and logs
	default:
		server.Stop()
	}
}

func closeServer(server *embed.Etcd, calls *servers) {
	closed := make(chan struct{})
	go func() {
		server.Close()
		close(closed)
	}()
	select {
	case <-closed:
		return
	case <-time.After(drain):
	}
	calls.cut()
	<-closed
}

// servers are the gRPC servers of etcd's client ports, which embed does not show.
type servers struct {
	mutex sync.Mutex
	list  []*grpc.Server
}

func (s *servers) add(server *grpc.Server) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.list = append(s.list, server)
}

// cut ends every call that is still open.
func (s *servers) cut() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, server := range s.list {
		server.Stop()
	}
}
