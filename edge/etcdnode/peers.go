package etcdnode

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
)

// peerTime is how long a member may take to say who the others are.
const peerTime = 2 * time.Second

// Peers are the members of a cluster, each list in order.
type Peers struct{ PeerURLs, ClientURLs []string }

// AskPeers asks at members' peer ports who is a member now, until one answers.
// Members that have not started yet have no client URLs.
func AskPeers(ctx context.Context, config *tls.Config, peerURLs []string) (Peers, error) {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: peerTime}
	faults := []error{errors.New("ask a member who the others are")}
	for _, at := range peerURLs {
		peers, err := askPeer(ctx, client, at)
		if err == nil && len(peers.ClientURLs) > 0 {
			return peers, nil
		}
		if err == nil {
			err = fmt.Errorf("%s: no member has started yet", at)
		}
		faults = append(faults, err)
	}
	return Peers{}, errors.Join(faults...)
}

func askPeer(ctx context.Context, client *http.Client, at string) (Peers, error) {
	var peers Peers
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/members", nil)
	if err != nil {
		return peers, err
	}
	response, err := client.Do(request)
	if err != nil {
		return peers, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return peers, fmt.Errorf("%s: %w", at, err)
	}
	var members []membership.Member
	if err := json.Unmarshal(body, &members); response.StatusCode != http.StatusOK || err != nil {
		return peers, fmt.Errorf("%s: %s is no list of members: %.200s", at, response.Status, body)
	}
	for _, member := range members {
		peers.PeerURLs = append(peers.PeerURLs, member.PeerURLs...)
		peers.ClientURLs = append(peers.ClientURLs, member.ClientURLs...)
	}
	slices.Sort(peers.PeerURLs)
	slices.Sort(peers.ClientURLs)
	return peers, nil
}

// isMember says whether a member of the store is reached there by the others. One
// that they know by a name is not recognized.
func isMember(server *etcdserver.EtcdServer, at netip.Addr) bool {
	for _, member := range server.Cluster().Members() {
		for _, peer := range member.PeerURLs {
			if known, err := url.Parse(peer); err == nil && known.Hostname() == at.String() {
				return true
			}
		}
	}
	return false
}
