package discovery

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"argosy/core/discovery"
)

const (
	v2Keys = "/v2/keys"
	// dialTime and headersWait are how long a member may take before it counts
	// as gone. Waits are acknowledged at once.
	dialTime    = 2 * time.Second
	headersWait = 15 * time.Second
	// largestAnswer is more than a token with all its machines takes, or the
	// list of all tokens.
	largestAnswer = 16 << 20
)

// Store is the etcd where tokens lie: the members of one cluster, any of which
// serves the v2 keys API.
type Store struct {
	members   []*url.URL
	transport *http.Transport
	turn      atomic.Int64 // counts up when a member is not there
}

// NewStore reads the members' client URLs, separated by commas. TLS is for https
// among them; without it the machine's authorities are trusted.
func NewStore(members string, config *tls.Config) (*Store, error) {
	s := &Store{transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTime}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   dialTime,
		ResponseHeaderTimeout: headersWait,
		MaxIdleConnsPerHost:   64,
		DisableCompression:    true,
	}}
	for given := range strings.SplitSeq(members, ",") {
		member, err := url.Parse(given)
		if err != nil {
			return nil, fmt.Errorf("read the URL of etcd: %w", err)
		}
		if member.Scheme != "http" && member.Scheme != "https" || member.Host == "" || strings.Trim(member.Path, "/") != "" {
			return nil, fmt.Errorf("read the URL of etcd: %q is not like http://127.0.0.1:2379", given)
		}
		s.members = append(s.members, member)
	}
	return s, nil
}

// RoundTrip asks a member, and the next where one cannot be reached at all: then
// nothing has happened yet.
func (s *Store) RoundTrip(r *http.Request) (*http.Response, error) {
	var faults []error
	for range s.members {
		turn := s.turn.Load()
		member := s.members[turn%int64(len(s.members))]
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.Host = member.Scheme, member.Host, ""
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			out.Body = body
		}
		response, err := s.transport.RoundTrip(out)
		if err == nil {
			return response, nil
		}
		faults = append(faults, err)
		var dialed *net.OpError
		if !errors.As(err, &dialed) || dialed.Op != "dial" {
			break
		}
		s.turn.CompareAndSwap(turn, turn+1)
	}
	return nil, errors.Join(faults...)
}

// ask sends a request of the service's own.
func (s *Store) ask(ctx context.Context, method, key string, query, form url.Values) (status int, body []byte, err error) {
	doing := func(err error) error { return fmt.Errorf("ask etcd to %s %s: %w", method, key, err) }
	where := url.URL{Scheme: "http", Host: "etcd", Path: v2Keys + key, RawQuery: query.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, where.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, doing(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.RoundTrip(r)
	if err != nil {
		return 0, nil, doing(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, largestAnswer))
	if err != nil {
		return 0, nil, doing(err)
	}
	return response.StatusCode, body, nil
}

// change is ask for what must succeed.
func (s *Store) change(ctx context.Context, method, key string, query, form url.Values) error {
	status, body, err := s.ask(ctx, method, key, query, form)
	if err == nil && status >= 300 {
		err = fmt.Errorf("ask etcd to %s %s: %d %.200s", method, key, status, body)
	}
	return err
}

// create makes a token. It ends as a whole: the time is the directory's.
func (s *Store) create(ctx context.Context, token string, size int, ttl time.Duration) error {
	key := discovery.Registry + "/" + token
	fresh := url.Values{"prevExist": {"false"}}
	if ttl > 0 {
		seconds := strconv.FormatInt(int64(ttl.Seconds()), 10)
		if err := s.change(ctx, http.MethodPut, key, fresh, url.Values{"dir": {"true"}, "ttl": {seconds}}); err != nil {
			return err
		}
	}
	return s.change(ctx, http.MethodPut, key+"/_config/size", fresh, url.Values{"value": {strconv.Itoa(size)}})
}

func (s *Store) remove(ctx context.Context, token string) error {
	return s.change(ctx, http.MethodDelete, discovery.Registry+"/"+token, url.Values{"recursive": {"true"}}, nil)
}

// tokens tells when each token ends; the zero time for never.
func (s *Store) tokens(ctx context.Context) ([]time.Time, error) {
	var listing struct {
		Node struct {
			Nodes []struct{ Expiration time.Time }
		}
	}
	status, body, err := s.ask(ctx, http.MethodGet, discovery.Registry, nil, nil)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound && json.Valid(body):
		return nil, nil // no token was ever made
	case status != http.StatusOK:
		return nil, fmt.Errorf("list the tokens: %d %.200s (is etcd's v2 API enabled?)", status, body)
	}
	if err := json.Unmarshal(body, &listing); err != nil {
		return nil, fmt.Errorf("list the tokens: %w", err)
	}
	var ends []time.Time
	for _, node := range listing.Node.Nodes {
		ends = append(ends, node.Expiration)
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends, nil
}
