// Package httpapi serves the API of core/api over HTTP, on a unix socket and on
// TCP with mutual TLS. On a member of the cluster it answers from the registry, and
// passes on what concerns one machine's systemd (status, journal, restart) to that
// machine, vouching for who asks. Any other machine answers of its own units alone,
// and passes connections through to a member as they are (CONNECT).
package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/schedule"
)

// Registry knows the cluster. role/registry is one.
type Registry interface {
	Lists
	Pages
	Beginnings
	Finder
	Watcher
	Writer
}

// Lists are the reads whose answers are sent as they are. least is the revision
// of the store that the answer must hold.
type Lists interface {
	Machines(ctx context.Context, least int64, away bool) (api.Machines, error)
	Units(ctx context.Context, least int64, only []cluster.UnitName) (api.Units, error)
	States(ctx context.Context, least int64, machine cluster.MachineID) (api.States, error)
}

// Pages are the lists part by part, and whether there is more: all parts as the
// cluster was at the first. They are an api.Expired where that is no longer known.
type Pages interface {
	MachinesPage(ctx context.Context, least int64, from api.From, away bool) (api.Machines, bool, error)
	UnitsPage(ctx context.Context, least int64, from api.From, only []cluster.UnitName) (api.Units, bool, error)
	StatesPage(ctx context.Context, least int64, from api.From, machine cluster.MachineID) (api.States, bool, error)
}

// Beginnings are lists of what is called so in its beginning.
type Beginnings interface {
	MachinesBeginning(ctx context.Context, least int64, b api.Beginning) (api.Machines, error)
	UnitsBeginning(ctx context.Context, least int64, b api.Beginning) (api.Units, error)
}

// Finder looks one thing up: cluster.ErrNotFound where there is none.
type Finder interface {
	Unit(ctx context.Context, least int64, name cluster.UnitName) (api.UnitAnswer, error)
	Machine(ctx context.Context, id cluster.MachineID) (cluster.Machine, error)
}

// Watcher tells of changes, and how current what it knows is.
type Watcher interface {
	Watch(ctx context.Context, least int64, names []cluster.UnitName, send func(api.WatchLine) error) error
	Freshness() (api.Freshness, error)
}

// Writer stores what is wanted.
type Writer interface {
	SetUnit(ctx context.Context, by access.Caller, name cluster.UnitName, change api.UnitChange) (api.Written, error)
	Destroy(ctx context.Context, by access.Caller, name cluster.UnitName) (api.Written, error)
	SetLabels(ctx context.Context, by access.Caller, id cluster.MachineID, change api.LabelsChange) (api.LabelsAnswer, error)
}

// Explainer knows what the scheduler thinks. role/engine is one.
type Explainer interface {
	// Why tells why a unit is where it is: cluster.ErrNotFound where there is none.
	Why(ctx context.Context, unit cluster.UnitName) (schedule.Explanation, error)
	// WhatIf tells what the scheduler would do if these events came, beyond what
	// it does anyway.
	WhatIf(ctx context.Context, events ...cluster.Event) ([]schedule.Change, error)
}

// Local asks this machine's systemd.
type Local interface {
	// Status is what systemctl status prints, and its exit code.
	Status(ctx context.Context, unit cluster.UnitName) (text string, exitCode int, err error)
	// Journal writes to w until the journal's end, or with Follow until ctx ends.
	Journal(ctx context.Context, unit cluster.UnitName, options api.JournalOptions, w io.Writer) error
	// FollowJournal sends pieces with cursors until ctx ends or send returns an error.
	FollowJournal(ctx context.Context, unit cluster.UnitName, options api.JournalOptions, send func(api.JournalPiece) error) error
	// Restart restarts a unit that the cluster has put here and waits until it
	// runs again; cluster.ErrNotFound for any other unit.
	Restart(ctx context.Context, by string, unit cluster.UnitName) error
	// Owns is nil for a unit that the cluster has put here, and else
	// cluster.ErrNotFound.
	Owns(unit cluster.UnitName) error
}

// Config is what an API is made of.
type Config struct {
	Registry Registry // nil where this machine is no member
	// Explainer is nil where this machine is no member.
	Explainer Explainer
	// Access is nil where this machine is no member.
	Access Access
	// Secrets is nil where this machine is no member.
	Secrets Secrets
	// Keys is nil where this machine is no member.
	Keys Keys
	// Policies is nil where this machine is no member.
	Policies Policies
	// Workers is nil where this machine is no member.
	Workers Workers
	// People is nil where this machine is no member.
	People People
	// Audit is nil where this machine is no member: what it refuses is of no weight.
	Audit Audit
	// Cluster is what machines go by to reach the cluster; nil where this machine is no
	// member.
	Cluster func(context.Context) (api.Cluster, error)
	// LookAgain has this machine ask at once what it goes by to reach the cluster; nil
	// where it has no certificates to see to.
	LookAgain func()
	// IdentityOf reads who holds a certificate that TLS has verified.
	IdentityOf func(*x509.Certificate) (access.Identity, error)
	Local      Local
	Self       cluster.MachineID
	Host       string      // this machine's hostname, for the record of who asked
	Members    []string    // HOST:PORT of the members' APIs, for CONNECT
	TLS        *tls.Config // towards other machines, with this machine's certificate
	Version    string
	Metrics    *prometheus.Registry // shared with other parts; nil for one of its own
	Checks     []Check              // what else /readyz asks
	Remarks    []string             // what /readyz says besides, whether all is well or not
	// Claimed tells this machine that another one asks for its id, and returns who
	// this one is.
	Claimed func(by api.Identity) api.Identity
	// Beside are other APIs by the path that they begin at, such as fleet's own.
	// Where Registry is nil they are not asked.
	Beside map[string]http.Handler
}

// Check is one line of /readyz.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// API is the handler.
type API struct {
	config   Config
	routes   *http.ServeMux
	peers    *http.Transport // a request's host is the id of the machine that is asked
	guests   guests
	tunnels  tunnels
	streams  chan struct{}
	measures measures
}

// maxStreams bounds the watches and journals under way at a time.
const maxStreams = 1024

// New makes the handler.
func New(c Config) *API {
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	a := &API{
		config:  c,
		streams: make(chan struct{}, maxStreams),
		peers: &http.Transport{
			ResponseHeaderTimeout: 20 * time.Second, // above the registry's own wait for a revision
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       time.Minute,
		},
	}
	a.peers.DialTLSContext = a.dialMachine
	a.guests.here = map[*guest]struct{}{}
	a.tunnels.open = make(chan struct{}, maxTunnels)
	a.measures = newMeasures(c.Metrics, a)
	a.routes = a.route()
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "fleetd/"+a.config.Version)
	if r.Method == http.MethodConnect {
		a.connect(w, r)
		return
	}
	withPatience(w, r)
	a.routes.ServeHTTP(w, r)
}

// Serve answers on all listeners until ctx ends, and returns when all is closed.
// A TCP listener must be one of crypto/tls that verifies its clients, or Open.
func (a *API) Serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	base := context.WithValue(context.WithoutCancel(ctx), closingKey{}, ctx)
	server := &http.Server{
		Handler:           a,
		ConnContext:       withPeer,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 20, // a watch names its units in the query
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() {
			err := server.Serve(l)
			cancel()
			ended <- fmt.Errorf("serve the API on %s: %w", l.Addr(), err)
		}()
	}
	a.watchGuests(ctx)
	<-ctx.Done()
	err := shutDown(server)
	a.tunnels.under.Wait()
	for range listeners {
		if e := <-ended; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	a.peers.CloseIdleConnections()
	return err
}

// closingKey finds the context that ends when the server begins to close. Streams
// end with it; other requests are let finish.
type closingKey struct{}

// shutDown lets requests under way finish for a moment.
func shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
