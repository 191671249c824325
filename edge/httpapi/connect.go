package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"argosy/core/access"
	"argosy/core/api"
)

const (
	// toMember is what a client names that does not mind which member it reaches.
	toMember = "member"
	// maxTunnels bounds the connections to members that are passed through a machine.
	maxTunnels = 256
	// quiet is how long nothing may pass through one; whoever follows hears of the
	// other end every 2 s.
	quiet = 5 * time.Minute
)

// tunnels are the connections that are passed through.
type tunnels struct {
	open      chan struct{}
	under     sync.WaitGroup
	preferred atomic.Int64 // index in Members of the one that answered last
}

// connect passes a connection through to a member's API (RFC 9110, CONNECT). The
// client speaks TLS with the member itself: this machine can neither read what they
// say nor say it in the client's name.
func (a *API) connect(w http.ResponseWriter, r *http.Request) {
	sent := &sender{ResponseWriter: w}
	defer a.measures.count("connect", r.Method, sent)()
	by, err := a.known(r)
	if err == nil {
		err = a.passThrough(sent, r, by)
	}
	if err != nil {
		sendError(sent, err)
	}
}

func (a *API) passThrough(w *sender, r *http.Request, by access.Caller) error {
	if by.Who.Kind != "" && by.Who.Kind != access.Person {
		return &access.Refused{Message: by.Account.Name + " may not ask this: it is for people", Hint: "ask a member itself"}
	}
	var targets []string
	switch {
	case r.Host == toMember:
		first := int(a.tunnels.preferred.Load())
		targets = slices.Concat(a.config.Members[first:], a.config.Members[:first])
	case slices.Contains(a.config.Members, r.Host):
		targets = []string{r.Host}
	default:
		return &api.Error{Code: http.StatusForbidden, Message: fmt.Sprintf("%q is no member's API", r.Host), Hint: "CONNECT to member, which stands for any that answers"}
	}
	select {
	case a.tunnels.open <- struct{}{}:
		defer func() { <-a.tunnels.open }()
	default:
		return &api.Error{Code: http.StatusTooManyRequests, Message: fmt.Sprintf("%d connections are passed through this machine", maxTunnels), Hint: "ask a member itself"}
	}
	a.tunnels.under.Add(1)
	defer a.tunnels.under.Done()
	far, err := a.dialAny(r.Context(), targets)
	if err != nil {
		return err
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fmt.Errorf("pass a connection through: %w", err)
	}
	defer near.Close()
	w.code = http.StatusOK // nothing more is sent in HTTP
	closing, _ := r.Context().Value(closingKey{}).(context.Context)
	join(closing, near, buffered, far)
	return nil
}

// dialAny connects to the first that answers.
func (a *API) dialAny(ctx context.Context, targets []string) (net.Conn, error) {
	var faults []error
	for _, target := range targets {
		conn, err := peerDialer().DialContext(ctx, "tcp", target)
		if err == nil {
			a.tunnels.preferred.Store(int64(slices.Index(a.config.Members, target)))
			return conn, nil
		}
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		faults = append(faults, errors.New("this machine knows of none"))
	}
	return nil, &api.Error{Code: http.StatusBadGateway, Message: fmt.Sprintf("no member answered: %v", errors.Join(faults...)), Hint: "see etcd_servers in its fleet.conf"}
}

// join copies both ways until either end is done or closing ends.
func join(closing context.Context, near net.Conn, sent io.Reader, far net.Conn) {
	hangUp := func() { _ = near.Close(); _ = far.Close() }
	if closing != nil {
		defer context.AfterFunc(closing, hangUp)()
	}
	idle := time.AfterFunc(quiet, hangUp)
	defer idle.Stop()
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() {
		defer hangUp()
		_, _ = io.Copy(alive{far, idle}, sent)
	})
	defer hangUp()
	if _, err := near.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err == nil {
		_, _ = io.Copy(alive{near, idle}, far)
	}
}

// alive puts the end off with each byte that passes.
type alive struct {
	to   io.Writer
	idle *time.Timer
}

func (l alive) Write(p []byte) (int, error) {
	l.idle.Reset(quiet)
	return l.to.Write(p)
}
