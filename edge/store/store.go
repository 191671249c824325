// Package store keeps the cluster's facts in etcd: one key a fact, JSON of
// core/cluster's types as values, guarded writes and an ordered stream of
// changes. It is the only package that knows keys, revisions' origin and leases;
// it decides nothing and takes no second look at what it is told to write,
// except that nothing with a malformed name is stored.
package store

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"argosy/core/cluster"
)

// Config says where the store is and how patient to be with it.
type Config struct {
	Endpoints []string    // URLs of members' client ports; calls take turns among those that answer
	TLS       *tls.Config // nil where the endpoints are http://
	// Username and Password are for a store that asks for them. With them Open
	// waits for the store, for up to Timeout, and needs its answer.
	Username, Password string
	// Machine, if set, is the machine whose leases are granted here: their ids say so.
	Machine cluster.MachineID

	// Timeout bounds one try of one call; 0 means DefaultTimeout. What may be
	// done again without harm (reads, KeepAlive) is tried at up to three members,
	// within twice this time.
	Timeout time.Duration
	// ConfirmEvery is how often Follow asks an idle store whether it is still
	// current; 0 means DefaultConfirmEvery. For one machine's placements it is ten
	// times that.
	ConfirmEvery time.Duration
	// Report, if set, is told of what followers get over by themselves: once of
	// each value below our prefix that is none of ours, which is left out, and
	// once of each fault that interrupts them. Several goroutines may call it.
	Report func(error)
}

// DefaultTimeout outlasts an election of etcd's default kind (1-2 s), during
// which a call waits and then succeeds.
const DefaultTimeout = 3 * time.Second

// DefaultConfirmEvery lets a reader tell its age to about a second.
const DefaultConfirmEvery = time.Second

const (
	// deadAfter is how long sent bytes may go unacknowledged before the
	// connection counts as dead (TCP_USER_TIMEOUT, which gRPC sets from its
	// keepalive timeout). With probeEvery a member that is cut off without a RST
	// is noticed in two to three seconds.
	deadAfter = 2 * time.Second
	// probeEvery is how often the kernel asks the kernel at the other end of a
	// quiet connection whether it is there (TCP_KEEPIDLE, TCP_KEEPINTVL). It wakes
	// no process; a question of Follow's own costs a member a hundred times more.
	probeEvery = time.Second
	// window is how much a member may send before it is acknowledged. A fixed one
	// also ends gRPC's measuring of the line, a question for each answer.
	window = 4 << 20
	// pingEvery is the shortest gRPC allows. It notices a member that is stopped
	// while its kernel still acknowledges, for calls; Follow has its own watchdog.
	pingEvery = 10 * time.Second
	// reconnectWithin caps the pause between attempts to reach a member, so that
	// nobody waits long for a member that is back.
	reconnectWithin = time.Second
	// tries that a call gets which may be done again.
	tries = 3
)

// Store is a connection to the store. It is safe for use by many.
type Store struct {
	client       *clientv3.Client
	kv           pb.KVClient // the same connection without clientv3's wrapping
	leases       pb.LeaseClient
	maintenance  pb.MaintenanceClient
	timeout      time.Duration
	confirmEvery time.Duration

	report  func(error)
	renewal renewal

	machine cluster.MachineID

	mu      sync.Mutex
	rubbish map[string]int64 // revision of what was last reported, by key
}

// Open prepares a connection and returns at once: it does not wait for the
// store, which may be away for now.
func Open(config Config) (*Store, error) {
	timeout := cmp.Or(config.Timeout, DefaultTimeout)
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            config.Endpoints,
		TLS:                  config.TLS,
		Username:             config.Username,
		Password:             config.Password,
		DialTimeout:          timeout, // of the first login; connections have a bound of their own, below
		DialKeepAliveTime:    pingEvery,
		DialKeepAliveTimeout: deadAfter,
		Logger:               zap.NewNop(), // its news reach callers as errors
		DialOptions: []grpc.DialOption{
			grpc.WithNoProxy(), // a proxy in the environment is not for members
			grpc.WithContextDialer(dial),
			grpc.WithChainUnaryInterceptor(onlyWithLeader),
			grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
			grpc.WithConnectParams(grpc.ConnectParams{
				MinConnectTimeout: deadAfter,
				Backoff: backoff.Config{
					BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectWithin,
				},
			}),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the store at %q: %w", config.Endpoints, err)
	}
	s := &Store{
		client:       client,
		kv:           pb.NewKVClient(client.ActiveConnection()),
		leases:       pb.NewLeaseClient(client.ActiveConnection()),
		maintenance:  pb.NewMaintenanceClient(client.ActiveConnection()),
		timeout:      timeout,
		confirmEvery: config.ConfirmEvery,
		report:       config.Report,
		renewal:      renewal{turn: make(chan struct{}, 1)},
		machine:      config.Machine,
		rubbish:      map[string]int64{},
	}
	if s.report == nil {
		s.report = func(error) {}
	}
	if s.confirmEvery == 0 {
		s.confirmEvery = DefaultConfirmEvery
	}
	return s, nil
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeEvery, Interval: probeEvery}}
	return dialer.DialContext(ctx, "tcp", address)
}

// Close ends the connection. Calls under way end with ErrUnavailable.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close the connection to the store: %w", err)
	}
	return nil
}

// once gives op one try. Its outcome is unknown after ErrUnavailable.
func (s *Store) once(ctx context.Context, op func(context.Context) error) error {
	return within(ctx, s.timeout, op)
}

func within(ctx context.Context, timeout time.Duration, op func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return translate(ctx, op(bounded))
}

// repeat gives op, which may be done again without harm, several tries of
// growing length: the members take turns, so that one that has stopped
// answering is left behind soon.
func (s *Store) repeat(ctx context.Context, op func(context.Context) error) error {
	var err error
	for try := range time.Duration(tries) {
		err = within(ctx, s.timeout*(try+1)/tries, op)
		if !errors.Is(err, cluster.ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// transact gives a transaction one try.
func (s *Store) transact(ctx context.Context, guards []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	var response *clientv3.TxnResponse
	err := s.once(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Txn(ctx).If(guards...).Then(then...).Else(otherwise...).Commit()
		return err
	})
	return response, err
}

// get reads one key, linearizably; nil where there is none.
func (s *Store) get(ctx context.Context, key string) (*keyValue, error) {
	var response *clientv3.GetResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		response, err = s.client.Get(ctx, key)
		return err
	})
	if err != nil || len(response.Kvs) == 0 {
		return nil, err
	}
	return response.Kvs[0], nil
}
