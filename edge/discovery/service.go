// Package discovery carries core/discovery over HTTP, both halves of it: the
// service that keeps tokens in an etcd's v2 keys API (Serve), and the machine
// that finds its cluster by one (Client).
package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"argosy/core/discovery"
)

// Defaults of Config.
const (
	TTL         = 30 * 24 * time.Hour
	Tokens      = 5000
	Connections = 4096
	Patience    = 10 * time.Second
)

const (
	// largest is how much a request may say in its query and body together: a
	// name and its peer URLs take some hundred bytes.
	largest = 4 << 10
	// idleTime is how long a connection may be kept for another request.
	idleTime = time.Minute
	// goodbye is how long requests may take to end when the service stops; those
	// that wait for others do not end by themselves.
	goodbye = time.Second
)

// protocolPage says what this is, to those who open the service in a browser.
const protocolPage = "https://etcd.io/docs/v2.3/discovery_protocol/"

// Config is what Serve needs.
type Config struct {
	Store *Store
	Host  string // what a token's URL begins with, as https://discovery.example.com

	TTL         time.Duration // how long a token lives; 0 for ever
	Tokens      int           // how many may live
	Connections int           // how many may be open; half of them may wait for others
	Patience    time.Duration // how long a client may take to say its headers, its body, or to read what is written
	Now         func() time.Time

	Report func(error) // told of what could not be answered; several may call it at once
}

// Serve answers at the listener until ctx ends, and closes it.
func Serve(ctx context.Context, listener net.Listener, config Config) error {
	serving, cut := context.WithCancel(ctx)
	defer cut()
	server := &http.Server{
		Handler:           newService(config),
		ReadHeaderTimeout: config.Patience,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    2 * largest,
	}
	var stopped sync.WaitGroup
	stopped.Go(func() {
		<-serving.Done()
		leaving, done := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer done()
		if server.Shutdown(leaving) != nil {
			_ = server.Close() // who waits for others is not told more
		}
	})
	err := server.Serve(netutil.LimitListener(listener, config.Connections))
	cut()
	stopped.Wait()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve discovery at %s: %w", listener.Addr(), err)
	}
	return nil
}

// service answers requests.
type service struct {
	Config
	keys   *httputil.ReverseProxy
	waits  chan struct{} // one for each request that waits for others
	tokens *tokens
}

func newService(config Config) *service {
	s := &service{
		Config: config,
		waits:  make(chan struct{}, max(1, config.Connections/2)),
		tokens: &tokens{store: config.Store, ttl: config.TTL, limit: config.Tokens, now: config.Now},
	}
	s.Host = strings.TrimRight(s.Host, "/")
	s.keys = &httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {}, // the address is the store's to choose
		Transport:     config.Store,
		FlushInterval: -1, // one who waits wants to know at once that he does
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { s.unable(w, r, err) },
	}
	return s
}

// ServeHTTP answers one request. Its body is read before anything is done, so
// that what is too large, broken off or too slow has no effect.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.Patience)) // a recorder in a test has none
	body, err := io.ReadAll(io.LimitReader(r.Body, largest+1))
	if err != nil {
		http.Error(w, "the request's body ended early", http.StatusBadRequest)
		return
	}
	if len(body)+len(r.URL.RawQuery) > largest {
		w.Header().Set("Connection", "close")
		http.Error(w, fmt.Sprintf("a request may say %d bytes in its query and body", largest), http.StatusRequestEntityTooLarge)
		return
	}
	_ = control.SetReadDeadline(time.Time{}) // it would end a wait
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	s.answer(patient{w, control, s.Patience}, r)
}

func (s *service) answer(w http.ResponseWriter, r *http.Request) {
	switch request := discovery.Parse(r.Method, r.URL.Path).(type) {
	case discovery.Home:
		http.Redirect(w, r, protocolPage, http.StatusMovedPermanently)
	case discovery.Robots:
		_, _ = io.WriteString(w, "User-agent: *\nDisallow: /")
	case discovery.Health:
		s.health(w, r)
	case discovery.New:
		s.newToken(w, r)
	case discovery.Keys:
		s.pass(w, r, request)
	case discovery.Moved:
		to := *r.URL
		to.Path, to.RawPath = request.To, ""
		http.Redirect(w, r, to.RequestURI(), http.StatusMovedPermanently)
	case discovery.WrongMethod:
		w.Header().Set("Allow", request.Allow)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	case discovery.Unknown:
		http.NotFound(w, r)
	}
}

// health makes a token and takes it away again.
func (s *service) health(w http.ResponseWriter, r *http.Request) {
	token := randomToken()
	err := s.Store.create(r.Context(), token, 1, time.Minute)
	if err == nil {
		err = s.Store.remove(r.Context(), token)
	}
	if err != nil {
		s.unable(w, r, err)
		return
	}
	_, _ = io.WriteString(w, "OK")
}

func (s *service) newToken(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	if many := r.ParseMultipartForm(largest); err == nil && !errors.Is(many, http.ErrNotMultipart) {
		err = many
	}
	size := 0
	if err == nil {
		size, err = discovery.ParseSize(r.Form.Get("size"))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	token, err := s.tokens.create(r.Context(), size)
	switch {
	case errors.Is(err, errTooMany):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		s.unable(w, r, err)
	default:
		_, _ = io.WriteString(w, s.Host+"/"+token)
	}
}

// pass has the store answer, word for word.
func (s *service) pass(w http.ResponseWriter, r *http.Request, request discovery.Keys) {
	if r.URL.Query().Has("wait") {
		select {
		case s.waits <- struct{}{}:
			defer func() { <-s.waits }()
		default:
			http.Error(w, "too many wait already", http.StatusServiceUnavailable)
			return
		}
	}
	if request.Put && !s.admit(w, r, request.Token) {
		return
	}
	to := *r.URL
	to.Path, to.RawPath = v2Keys+request.Key, ""
	passed := r.WithContext(r.Context()) // a shallow copy
	passed.URL = &to
	s.keys.ServeHTTP(w, passed)
}

// admit tells whether something may be put into the token. If not it has answered
// why. The keys API itself would make a token out of any name, one that never
// ends.
func (s *service) admit(w http.ResponseWriter, r *http.Request, token string) bool {
	status, body, err := s.Store.ask(r.Context(), http.MethodGet, discovery.Registry+"/"+token, nil, nil)
	if err != nil {
		s.unable(w, r, err)
		return false
	}
	if status != http.StatusOK {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
		return false
	}
	machines, err := discovery.ParseMachines(status, body)
	if err != nil {
		s.unable(w, r, err)
		return false
	}
	if len(machines) >= discovery.MaxMachines {
		http.Error(w, fmt.Sprintf("%d machines have registered already", len(machines)), http.StatusForbidden)
		return false
	}
	return true
}

// unable tells that the store did not do its part, and not what its address is.
func (s *service) unable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // else the client has gone, which is no news
		s.Report(fmt.Errorf("answer %s %s: %w", r.Method, r.URL.Path, err))
	}
	http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
}

// patient gives a client a time for each part of an answer, since waits may take
// as long as they want, but nobody may stop reading.
type patient struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

func (p patient) Write(part []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.patience)) // a recorder in a test has none
	return p.ResponseWriter.Write(part)
}

func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
