package etcdnode

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

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
	for _, url := range peerURLs {
		peers, err := askPeer(ctx, client, url)
		if err == nil && len(peers.ClientURLs) > 0 {
			return peers, nil
		}
		if err == nil {
			err = fmt.Errorf("%s: no member has started yet", url)
		}
		faults = append(faults, err)
	}
	return Peers{}, errors.Join(faults...)
}

func askPeer(ctx context.Context, client *http.Client, url string) (Peers, error) {
	var peers Peers
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/members", nil)
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
		return peers, fmt.Errorf("%s: %w", url, err)
	}
	var members []membership.Member
	if err := json.Unmarshal(body, &members); response.StatusCode != http.StatusOK || err != nil {
		return peers, fmt.Errorf("%s: %s is no list of members: %.200s", url, response.Status, body)
	}
	for _, member := range members {
		peers.PeerURLs = append(peers.PeerURLs, member.PeerURLs...)
		peers.ClientURLs = append(peers.ClientURLs, member.ClientURLs...)
	}
	slices.Sort(peers.PeerURLs)
	slices.Sort(peers.ClientURLs)
	return peers, nil
}
