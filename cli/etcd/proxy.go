package etcd

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"golang.org/x/sync/errgroup"

	"argosy/edge/endpoint"
	"argosy/edge/etcdnode"
)

const (
	// proxyRefresh is how often the members are asked who they are, as in etcd 2.
	proxyRefresh = 30 * time.Second
	// proxyRetry is how soon while none of them answers: they are just forming.
	proxyRetry = time.Second
)

// clusterFile is where a proxy keeps who the members were, as etcd 2 did.
func clusterFile(settings *etcdnode.Settings) string {
	return filepath.Join(settings.Etcd.Dir, "proxy", "cluster")
}

// proxy relays to the members of the cluster that has no place for this machine,
// from where a member would listen for clients. It knows them by their peer
// URLs, and takes up again what it knew before.
func proxy(ctx context.Context, settings *etcdnode.Settings, faults io.Writer, ready func()) error {
	peers, err := knownPeers(ctx, settings, faults)
	if err != nil {
		return err
	}
	current, err := awaitPeers(ctx, settings, peers, faults)
	if err != nil {
		return err
	}
	config, err := relay(ctx, settings, current.ClientURLs)
	if err != nil {
		return err
	}
	config.Changed = reachability(faults)
	updates := make(chan []string)
	config.Updates = updates
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return endpoint.Run(ctx, config) })
	parts.Go(func() error { return followPeers(ctx, settings, current, updates) })
	ready()
	return parts.Wait()
}

// knownPeers are the members' peer URLs, from the file or else from discovery.
func knownPeers(ctx context.Context, settings *etcdnode.Settings, faults io.Writer) ([]string, error) {
	name := clusterFile(settings)
	text, err := os.ReadFile(name)
	if err == nil {
		var known etcdnode.Peers
		if err := json.Unmarshal(text, &known); err != nil || len(known.PeerURLs) == 0 {
			return nil, fmt.Errorf("read the cluster that this machine is a proxy of: %s names no peer URLs: %.100q", name, text)
		}
		return known.PeerURLs, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the cluster that this machine is a proxy of: %w", err)
	}
	client, err := newClient(settings, faults)
	if err != nil {
		return nil, err
	}
	cluster, err := client.Cluster(ctx)
	if err != nil {
		return nil, fmt.Errorf("failed to get discovery cluster (%w)", err)
	}
	urls, err := types.NewURLsMap(cluster)
	if err != nil {
		return nil, fmt.Errorf("read the peer URLs of %s: %w", cluster, err)
	}
	return urls.URLs(), nil
}

// awaitPeers asks until a member answers, and writes down who they are.
func awaitPeers(ctx context.Context, settings *etcdnode.Settings, peers []string, faults io.Writer) (etcdnode.Peers, error) {
	for said := ""; ; {
		current, err := askPeers(ctx, settings, peers)
		if err == nil {
			return current, keepPeers(settings, current.PeerURLs)
		}
		if text := err.Error(); text != said {
			said = text
			fmt.Fprintf(faults, "etcd: proxy: %s\n", text)
		}
		select {
		case <-time.After(proxyRetry):
		case <-ctx.Done():
			return current, ctx.Err()
		}
	}
}

func askPeers(ctx context.Context, settings *etcdnode.Settings, peers []string) (etcdnode.Peers, error) {
	config, err := settings.Etcd.PeerTLSInfo.ClientConfig()
	if err != nil {
		return etcdnode.Peers{}, fmt.Errorf("load the peer certificates: %w", err)
	}
	return etcdnode.AskPeers(ctx, config, peers)
}

// followPeers keeps the relay's members what they are. While none answers all
// stays as it was.
func followPeers(ctx context.Context, settings *etcdnode.Settings, current etcdnode.Peers, updates chan<- []string) error {
	for {
		select {
		case <-time.After(proxyRefresh):
		case <-ctx.Done():
			return nil
		}
		now, err := askPeers(ctx, settings, current.PeerURLs)
		if err != nil || slices.Equal(now.ClientURLs, current.ClientURLs) {
			continue
		}
		addresses, _, err := hosts(settings, now.ClientURLs)
		if err == nil {
			err = keepPeers(settings, now.PeerURLs)
		}
		if err != nil {
			return err
		}
		current = now
		select {
		case updates <- addresses:
		case <-ctx.Done():
			return nil
		}
	}
}

// keepPeers writes down who the members are, for the next start.
func keepPeers(settings *etcdnode.Settings, peerURLs []string) error {
	text, err := json.Marshal(struct{ PeerURLs []string }{peerURLs})
	if err == nil {
		err = write(clusterFile(settings), string(text))
	}
	return err
}

// write replaces a file as a whole.
func write(name, text string) error {
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = os.WriteFile(name+".new", []byte(text), 0o600)
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return fmt.Errorf("keep what discovery found: %w", err)
	}
	return nil
}

// relay listens where etcd would, with the certificate that it would show.
func relay(ctx context.Context, settings *etcdnode.Settings, clientURLs []string) (endpoint.Config, error) {
	var config endpoint.Config
	addresses, secured, err := hosts(settings, clientURLs)
	if err != nil {
		return config, err
	}
	config.Members = addresses
	info := settings.Etcd.ClientTLSInfo
	if secured {
		if config.TLS, err = info.ClientConfig(); err != nil {
			return config, fmt.Errorf("load the client certificates: %w", err)
		}
	}
	for _, own := range settings.Etcd.ListenClientUrls {
		opened, err := endpoint.Listen(ctx, []string{own.Host})
		if err == nil && own.Scheme == "https" {
			opened[0], err = secure(opened[0], info.ServerConfig)
		}
		if err != nil {
			for _, listener := range append(config.Listeners, opened...) {
				_ = listener.Close()
			}
			return config, err
		}
		config.Listeners = append(config.Listeners, opened...)
	}
	return config, nil
}

// secure wants TLS of clients, who may go on in either protocol.
func secure(listener net.Listener, load func() (*tls.Config, error)) (net.Listener, error) {
	config, err := load()
	if err != nil {
		return listener, fmt.Errorf("load the certificate to show to clients: %w", err)
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(listener, config), nil
}

// hosts are where the members' client URLs lead, and whether over TLS. One that
// leads here, as http://localhost:2379 does on any machine, would have the proxy
// call itself for ever.
func hosts(settings *etcdnode.Settings, urls []string) (addresses []string, secured bool, err error) {
	here := map[string]bool{}
	for _, own := range settings.Etcd.ListenClientUrls {
		here[own.Host] = true
	}
	for _, text := range urls {
		parsed, err := url.Parse(text)
		if err != nil || parsed.Host == "" {
			return nil, false, fmt.Errorf("read a member's client URL: %q is none", text)
		}
		if !here[parsed.Host] {
			addresses = append(addresses, parsed.Host)
		}
		secured = secured || parsed.Scheme == "https"
	}
	if len(addresses) == 0 {
		return nil, false, fmt.Errorf("relay to the members: their client URLs %s lead to this machine itself: "+
			"set --advertise-client-urls on them", strings.Join(urls, ", "))
	}
	return addresses, secured, nil
}
