package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"argosy/core/api"
	"argosy/core/fleetv1"
)

// maxHops is how often a request may be passed on: from a worker to a member,
// and from there to the machine that has the unit.
const maxHops = 3

// passToMember passes a request on to a member, beginning with the one that
// answered last.
func (a *API) passToMember(w http.ResponseWriter, r *http.Request, by caller, body []byte) error {
	members := a.config.Members
	if len(members) == 0 {
		return &api.Error{Code: http.StatusServiceUnavailable, Message: "this machine is no member and knows of none", Hint: "set etcd_servers in its fleet.conf"}
	}
	first := int(a.preferred.Load()) % len(members)
	return a.pass(w, r, by, hop{r.URL, slices.Concat(members[first:], members[:first]), "no member answered"}, body)
}

// hop is where a request is passed on to.
type hop struct {
	url     *url.URL
	targets []string // HOST:PORT, any of them will do
	silence string   // what to say when none answers
}

// pass sends the request to each of the targets in turn until one answers, and
// the answer back.
func (a *API) pass(w http.ResponseWriter, r *http.Request, by caller, to hop, body []byte) error {
	hops, _ := strconv.Atoi(r.Header.Get(api.HopsHeader))
	if hops < 0 || hops >= maxHops {
		return &api.Error{Code: http.StatusLoopDetected, Message: fmt.Sprintf("passed on %d times and not answered", hops), Hint: "ask a member of the cluster; the machines may have told each other's addresses wrong"}
	}
	var faults []string
	for i, target := range to.targets {
		answer, err := a.ask(r, by, to.url, target, hops+1, body)
		switch {
		case err == nil && (answer.StatusCode != http.StatusServiceUnavailable || i == len(to.targets)-1):
			a.prefer(target)
			return sendBack(w, answer)
		case err == nil:
			faults = append(faults, target+": not ready")
			_ = answer.Body.Close()
		case r.Context().Err() != nil:
			return r.Context().Err()
		case (r.Method == http.MethodDelete || r.Method == http.MethodPost) && !neverSent(err):
			// Sent and not answered: asked again, another member might say
			// that there is no such unit, after this one deleted it, or have
			// it restarted twice.
			return &api.Error{Code: http.StatusBadGateway, Message: fmt.Sprintf("%s: %v", target, err), Hint: "look whether it was done"}
		default:
			faults = append(faults, fmt.Sprintf("%s: %v", target, err))
		}
	}
	return &api.Error{Code: http.StatusBadGateway, Message: to.silence + ": " + strings.Join(faults, "; "), Hint: "try again, or ask another machine"}
}

// neverSent says that an error came before anything was sent.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (a *API) prefer(target string) {
	if i := slices.Index(a.config.Members, target); i >= 0 {
		a.preferred.Store(int64(i))
	}
}

func (a *API) ask(r *http.Request, by caller, to *url.URL, target string, hops int, body []byte) (*http.Response, error) {
	there := *to
	there.Scheme, there.Host = "https", target
	request, err := http.NewRequestWithContext(r.Context(), r.Method, there.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Content-Type", "Accept", "User-Agent"} {
		if value := r.Header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	request.Header.Set(api.ByHeader, by.name)
	request.Header.Set(api.HopsHeader, strconv.Itoa(hops))
	return a.peers.RoundTrip(request)
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
