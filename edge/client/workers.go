package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Cluster is what a machine goes by to reach the cluster.
func (c *Client) Cluster(ctx context.Context) (answer api.Cluster, err error) {
	err = c.exchange(ctx, http.MethodGet, "/cluster", nil, nil, &answer)
	return answer, err
}

// Content is the text of a unit that is placed on the machine whose certificate this
// client shows.
func (c *Client) Content(ctx context.Context, hash cluster.Hash) (string, error) {
	response, err := c.insist(ctx, http.MethodGet, "/contents/"+string(hash), nil, nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, unitfile.MaxTextBytes+1))
	if err == nil && len(text) > unitfile.MaxTextBytes {
		err = fmt.Errorf("it is longer than %d bytes", unitfile.MaxTextBytes)
	}
	if err != nil {
		return "", fmt.Errorf("read the text %s: %w", hash, err)
	}
	return string(text), nil
}
