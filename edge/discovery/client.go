package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"argosy/core/discovery"
)

const (
	// firstPause doubles with each failure in a row, up to lastPause: a service
	// that comes back is not asked by all machines at once and for ever.
	firstPause = time.Second
	lastPause  = 30 * time.Second
	// requestTime bounds a request that waits for nobody.
	requestTime = 15 * time.Second
)

// Client finds the cluster of a token.
type Client struct {
	token string // its URL
	http  *http.Client
	tell  func(string)
	pause time.Duration // the first
}

// NewClient reads a token's URL and the URL of an HTTP proxy on the way to it,
// which may be empty. What goes on is told line by line, never two at once.
func NewClient(token, proxy string, tell func(string)) (*Client, error) {
	given, err := url.Parse(token)
	if err != nil {
		return nil, fmt.Errorf("read the discovery URL: %w", err)
	}
	if given.Scheme != "http" && given.Scheme != "https" || given.Host == "" || strings.Trim(given.Path, "/") == "" {
		return nil, fmt.Errorf("read the discovery URL: %q is not like http://10.0.0.1:8087/TOKEN", token)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	if proxy != "" {
		through, err := url.Parse(proxy)
		if err != nil || through.Host == "" {
			through, err = url.Parse("http://" + proxy) // etcd takes host:port, too
		}
		if err != nil {
			return nil, fmt.Errorf("read the discovery proxy's URL: %w", err)
		}
		transport.Proxy = http.ProxyURL(through)
	}
	return &Client{
		token: strings.TrimRight(token, "/"), tell: tell, pause: firstPause,
		http: &http.Client{Transport: transport},
	}, nil
}

// Machine is the one that looks for its cluster.
type Machine struct {
	ID   string // of the member that it is to be
	URLs string // name=peerURL[,name=peerURL...]
	// Again says that it has registered before, and has not been a member since.
	// Without it a registration under its ID is another machine's.
	Again bool
	// Registered is called once the registration stands; may be nil.
	Registered func() error
}

// Join registers the machine, waits until the cluster is complete and returns
// all its members, as etcd's --initial-cluster has them. Its errors are those of
// core/discovery, and those that only the user can mend; anything else is tried
// again until ctx ends.
func (c *Client) Join(ctx context.Context, m Machine) (string, error) {
	if _, err := c.look(ctx, m.ID); err != nil {
		return "", err
	}
	if err := c.register(ctx, m); err != nil {
		return "", err
	}
	if m.Registered != nil {
		if err := m.Registered(); err != nil {
			return "", err
		}
	}
	return c.complete(ctx, m.ID)
}

// Cluster is Join for a machine that shall not be a member.
func (c *Client) Cluster(ctx context.Context) (string, error) { return c.complete(ctx, "") }

// seen is what is in a token at one moment.
type seen struct {
	size     int
	machines []discovery.Machine
	index    uint64
}

// look reads the token. It refuses when there is no place for that ID.
func (c *Client) look(ctx context.Context, id string) (seen, error) {
	var s seen
	err := c.persist(ctx, "read the token", func(ctx context.Context) error {
		status, _, body, err := c.ask(ctx, http.MethodGet, "/_config/size?quorum=true", "")
		if err != nil {
			return err
		}
		if s.size, err = discovery.ParseMembers(status, body); err != nil {
			return err
		}
		status, header, body, err := c.ask(ctx, http.MethodGet, "?quorum=true", "")
		if err != nil {
			return err
		}
		s.index, _ = strconv.ParseUint(header.Get("X-Etcd-Index"), 10, 64) // without it, waits begin now
		s.machines, err = discovery.ParseMachines(status, body)
		return err
	})
	if err == nil && id != "" && discovery.Full(s.machines, s.size, id) {
		err = discovery.ErrFullCluster
	}
	return s, err
}

// register adds the machine. A registration under its ID is its own where an
// attempt, now or before, may have succeeded unheard.
func (c *Client) register(ctx context.Context, m Machine) error {
	unheard := m.Again
	form := url.Values{"value": {m.URLs}}.Encode()
	err := c.persist(ctx, "register", func(ctx context.Context) error {
		status, _, body, err := c.ask(ctx, http.MethodPut, "/"+m.ID+"?prevExist=false", form)
		if err == nil {
			err = discovery.ParseRegistered(status, body)
		}
		unheard = unheard || transient(err)
		return err
	})
	if !unheard || !errors.Is(err, discovery.ErrDuplicateID) {
		return err
	}
	s, lookErr := c.look(ctx, "")
	if lookErr != nil {
		return lookErr
	}
	own := func(other discovery.Machine) bool { return other.ID == m.ID && other.URLs == m.URLs }
	if !slices.ContainsFunc(s.machines, own) {
		return err
	}
	return nil
}

// complete waits until as many have registered as the cluster has members.
func (c *Client) complete(ctx context.Context, id string) (string, error) {
	for {
		s, err := c.look(ctx, id)
		if err != nil {
			return "", err
		}
		if len(s.machines) >= s.size {
			return discovery.InitialCluster(s.machines, s.size)
		}
		c.tell(fmt.Sprintf("%d of %d members have registered, waiting for more", len(s.machines), s.size))
		if err := c.wait(ctx, s.index); err != nil {
			return "", err
		}
	}
}

// wait returns when something has changed in the token since the index.
func (c *Client) wait(ctx context.Context, index uint64) error {
	return c.persist(ctx, "wait for other machines", func(ctx context.Context) error {
		target := "?wait=true&recursive=true"
		if index > 0 {
			target += "&waitIndex=" + strconv.FormatUint(index+1, 10)
		}
		status, _, body, err := c.ask(ctx, http.MethodGet, target, "")
		if err != nil {
			return err
		}
		return discovery.ParseWaited(status, body)
	})
}

// errUnreached is a request that may or may not have arrived.
var errUnreached = errors.New("the discovery service cannot be reached")

func transient(err error) bool {
	return errors.Is(err, errUnreached) || errors.Is(err, discovery.ErrRetry)
}

// persist tries again what failed for now.
func (c *Client) persist(ctx context.Context, doing string, attempt func(context.Context) error) error {
	for pause := c.pause; ; pause = min(2*pause, lastPause) {
		err := attempt(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !transient(err) {
			return err
		}
		c.tell(fmt.Sprintf("%s: %v; trying again in %v", doing, err, pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ask sends one request about the token. Only those that wait may take long.
func (c *Client) ask(ctx context.Context, method, target, form string) (status int, header http.Header, body []byte, err error) {
	if !strings.Contains(target, "wait=true") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTime)
		defer cancel()
	}
	request, err := http.NewRequestWithContext(ctx, method, c.token+target, strings.NewReader(form))
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", errUnreached, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, largestAnswer))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%w: %w", errUnreached, err)
	}
	return response.StatusCode, response.Header, body, nil
}
