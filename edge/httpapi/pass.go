package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"argosy/core/access"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/fleetv1"
)

// maxHops is how often a request may be passed on: once, to the machine that has
// the unit or keeps the list.
const maxHops = 1

// shakeTime bounds a TLS handshake with another machine.
const shakeTime = 3 * time.Second

// passToMachine passes a request on to the fleetd of one machine, saying who asks,
// and its answer back.
func (a *API) passToMachine(w http.ResponseWriter, r *http.Request, by access.Caller, to *url.URL, m cluster.Machine) error {
	if m.API == "" {
		return &api.Error{Code: http.StatusBadGateway, Message: fmt.Sprintf("%s has not told where its API is", m.Name), Hint: "look at fleet.service there"}
	}
	hops, _ := strconv.Atoi(r.Header.Get(api.HopsHeader))
	if hops < 0 || hops >= maxHops {
		return &api.Error{Code: http.StatusLoopDetected, Message: fmt.Sprintf("passed on %d times and not answered", hops), Hint: "ask a member of the cluster; the machines may have told each other's addresses wrong"}
	}
	request, err := a.passed(r, by, to, m.ID, hops+1)
	if err != nil {
		return err
	}
	answer, err := a.peers.RoundTrip(request)
	if err != nil {
		return silent(r, m, err)
	}
	return sendBack(w, answer)
}

// passed is the request as another machine gets it. Its host is that machine's id:
// where it is, and that it is the one, is found out when a connection is made.
func (a *API) passed(r *http.Request, by access.Caller, to *url.URL, machine cluster.MachineID, hops int) (*http.Request, error) {
	there := *to
	there.Scheme, there.Host = "https", string(machine)
	request, err := http.NewRequestWithContext(r.Context(), r.Method, there.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Content-Type", "Accept", "User-Agent"} {
		if value := r.Header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	claim, err := vouching(by)
	if err != nil {
		return nil, fmt.Errorf("vouch for %s: %w", by.Account.Name, err)
	}
	request.Header.Set(api.ByHeader, claim)
	request.Header.Set(api.HopsHeader, strconv.Itoa(hops))
	return request, nil
}

// silent says that a machine gave no answer.
func silent(r *http.Request, m cluster.Machine, err error) error {
	var op *net.OpError
	neverSent := errors.As(err, &op) && op.Op == "dial"
	switch {
	case r.Context().Err() != nil:
		return r.Context().Err()
	case r.Method == http.MethodPost && !neverSent:
		return &api.Error{Code: http.StatusBadGateway, Message: fmt.Sprintf("%s: %v", m.Name, err), Hint: "look whether it was done"}
	}
	return &api.Error{Code: http.StatusBadGateway, Message: fmt.Sprintf("%s did not answer: %v", m.Name, err), Hint: "try again in a moment"}
}

// dialMachine connects to the API of the machine whose id is the address's host.
// That another one of the cluster has taken its address is not enough: the
// certificate must be that machine's own.
func (a *API) dialMachine(ctx context.Context, network, address string) (net.Conn, error) {
	id, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	m, err := a.config.Registry.Machine(ctx, cluster.MachineID(id))
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(m.API)
	if err != nil {
		return nil, err
	}
	conn, err := peerDialer().DialContext(ctx, network, m.API)
	if err != nil {
		return nil, err
	}
	config := a.config.TLS.Clone()
	config.ServerName = host
	secure := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(ctx, shakeTime)
	defer cancel()
	if err = secure.HandshakeContext(ctx); err == nil {
		err = a.isMachine(secure.ConnectionState(), m.ID)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// isMachine says why whoever is at the other end is not a machine.
func (a *API) isMachine(state tls.ConnectionState, id cluster.MachineID) error {
	who, err := a.config.IdentityOf(state.PeerCertificates[0])
	if err != nil {
		return err
	}
	if !who.IsMachine() || who.Machine() != id {
		return fmt.Errorf("its certificate is that of %s, not of machine %s", who, id)
	}
	_, err = a.holder(who)
	return err
}

// sendBack copies an answer as it comes, with its trailers.
func sendBack(w http.ResponseWriter, answer *http.Response) error {
	defer answer.Body.Close()
	for _, name := range []string{"Content-Type", "Allow", "Retry-After", "Content-Length", fleetv1.AgeHeader, fleetv1.StaleHeader} {
		if value := answer.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	for name := range answer.Trailer {
		w.Header().Add("Trailer", name)
	}
	w.WriteHeader(answer.StatusCode)
	out := newStream(w)
	_, _ = out.Write(nil)
	if _, err := io.Copy(out, answer.Body); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	for name, values := range answer.Trailer {
		w.Header()[name] = values
	}
	return nil
}
