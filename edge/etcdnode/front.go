package etcdnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"google.golang.org/grpc"

	"argosy/core/access"
)

const (
	// beginWithin is how long a client may take for its TLS handshake, and for the
	// headers of a request.
	beginWithin = 10 * time.Second
	// idleFor is how long a connection without any request stays open.
	idleFor = 5 * time.Minute
	// refusedFor is how long the connection of one who is refused stays open, so
	// that they are told why.
	refusedFor = 2 * time.Second
)

// front is the client ports of a guarded member. They are ours and not etcd's,
// because whoever is to end the connections of one whose certificate is revoked
// must have them.
type front struct {
	guard     *Guard
	etcd      *embed.Config
	handlers  map[string]http.Handler // beside etcd's own
	stopping  *servers                // to which its own are added
	listeners []net.Listener
	failed    chan error // what ended one of them

	// Since it has started.
	server  *http.Server
	calls   *grpc.Server
	others  http.Handler // of requests that are no calls
	gateway *gateway
	end     context.CancelFunc
	parts   sync.WaitGroup

	mutex    sync.Mutex
	register access.Register
	trusted  *x509.CertPool // as of the last handshake
	open     map[*conn]struct{}
}

// openFront listens where etcd would and takes that away from etcd's own
// configuration. Without a guard there is none.
func openFront(config Config, etcd *embed.Config, stopping *servers) (*front, error) {
	if config.Guard == nil {
		return nil, nil
	}
	f := &front{
		guard: config.Guard, etcd: etcd, handlers: config.Handlers, stopping: stopping,
		failed: make(chan error, len(etcd.ListenClientUrls)), open: map[*conn]struct{}{},
	}
	for _, at := range etcd.ListenClientUrls {
		listener, err := listen(at.Host, etcd)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("listen for clients at %s: %w", at.Host, err)
		}
		f.listeners = append(f.listeners, listener)
	}
	etcd.ListenClientUrls, etcd.ListenClientHttpUrls = nil, nil
	etcd.EnableGRPCGateway = false
	etcd.ClientTLSInfo.ClientCertAuth = true // etcd looks at nobody's certificate without it
	return f, nil
}

func listen(address string, etcd *embed.Config) (net.Listener, error) {
	return transport.NewListenerWithOpts(address, "https", transport.WithSocketOpts(&etcd.SocketOpts), transport.WithSkipTLSInfoCheck(true))
}

// start serves a member that has joined. Nobody is let in before it knows who is
// revoked, which its own data says.
func (f *front) start(ctx context.Context, server *etcdserver.EtcdServer) error {
	client := rootClient(server)
	revision, err := f.load(ctx, client)
	if err != nil {
		return fmt.Errorf("read who may do what: %w", err)
	}
	options := append(slices.Clip(f.etcd.GRPCAdditionalServerOptions),
		grpc.ChainUnaryInterceptor(judgeUnary), grpc.ChainStreamInterceptor(judgeStream))
	f.calls = newServer(server, options)
	f.stopping.add(f.calls)
	if f.gateway, err = openGateway(server, options, f.stopping); err != nil {
		return err
	}
	f.others = embed.WrapCORS(f.etcd.CORS, plain(server, f.etcd, f.handlers, f.gateway.handler))
	f.server = f.newHTTP()
	following, end := context.WithCancel(context.WithoutCancel(ctx)) // it outlasts ctx, while requests end
	f.end = end
	f.parts.Go(func() { f.follow(following, client, revision) })
	for _, listener := range f.listeners {
		bounded := listener
		if f.guard.Bound != nil {
			bounded = f.guard.Bound(listener, func(at netip.Addr) bool { return isMember(server, at) })
		}
		f.parts.Go(func() {
			if err := f.server.ServeTLS(&trackedListener{bounded, f}, "", ""); !errors.Is(err, http.ErrServerClosed) {
				f.failed <- fmt.Errorf("serve clients at %s: %w", listener.Addr(), err)
			}
		})
	}
	return nil
}

func (f *front) newHTTP() *http.Server {
	return &http.Server{
		Handler:           f,
		TLSConfig:         &tls.Config{MinVersion: f.guard.TLS.MinVersion, GetConfigForClient: f.greet},
		ReadHeaderTimeout: beginWithin,
		IdleTimeout:       idleFor,
		ErrorLog:          log.New(io.Discard, "", 0), // of what clients do wrong, which they are told
		ConnContext:       withConnection,
		// net/http takes a larger number for none.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: int(min(f.etcd.MaxConcurrentStreams, math.MaxInt32))},
	}
}

// stop gives requests the time that drain says, and ends what is left then.
func (f *front) stop() {
	if f == nil {
		return
	}
	if f.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		_ = f.server.Shutdown(ctx) // what is open now ends below
		cancel()
		f.calls.Stop()
		_ = f.server.Close()
		f.hangUp()
	}
	if f.gateway != nil {
		f.gateway.close()
	}
	if f.end != nil {
		f.end()
	}
	f.close()
	f.parts.Wait()
}

// hangUp ends the connections that net/http has given away, those of websockets.
func (f *front) hangUp() {
	f.mutex.Lock()
	left := slices.Collect(maps.Keys(f.open))
	f.mutex.Unlock()
	for _, c := range left {
		_ = c.Close()
	}
}

func (f *front) close() {
	for _, listener := range f.listeners {
		_ = listener.Close()
	}
}

// failures tells what ended a port by itself.
func (f *front) failures() <-chan error {
	if f == nil {
		return nil
	}
	return f.failed
}

func (f *front) addresses() (all []net.Addr) {
	for _, listener := range f.listeners {
		all = append(all, listener.Addr())
	}
	return all
}

// ServeHTTP answers one request, a call or another.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asks, err := f.callerOf(r.Context())
	if err != nil {
		w.Header().Set("Connection", "close")
		refuse(w, r, err)
		return
	}
	r = r.WithContext(asks.in(r.Context()))
	if isCall(r) {
		f.calls.ServeHTTP(w, r)
		return
	}
	if err := access.MayAsk(asks.user, r.Method, r.URL.Path); err != nil {
		refuse(w, r, fmt.Errorf("%s %w", asks.who, err))
		return
	}
	f.others.ServeHTTP(w, r)
}

func isCall(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// callerOf is who has the connection of a request, by what is known of them now.
func (f *front) callerOf(ctx context.Context) (caller, error) {
	c, is := ctx.Value(connKey{}).(*conn)
	if !is {
		return caller{}, errors.New("nobody asks: there is no connection")
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if c.unknown != nil {
		return caller{}, c.unknown
	}
	user, err := f.register.StoreUser(c.who)
	return caller{c.who, user}, err
}

// load reads what is known of people and revocations, at this member, whether or
// not it has a leader.
func (f *front) load(ctx context.Context, client *clientv3.Client) (revision int64, err error) {
	register, err := readRegister(ctx, client, f.guard.Report)
	if err != nil {
		return 0, err
	}
	f.learn(register)
	return register.Revision, nil
}
