package client

import (
	"context"
	"net/http"

	"argosy/core/api"
	"argosy/core/signing"
)

// Policy tells what is asked of units before they are started.
func (c *Client) Policy(ctx context.Context) (policy signing.Policy, err error) {
	err = c.exchange(ctx, http.MethodGet, "/policy", nil, nil, &policy)
	return policy, err
}

// SetPolicy says what is asked of units from now on.
func (c *Client) SetPolicy(ctx context.Context, change api.PolicyChange) (written api.PolicyWritten, err error) {
	err = c.exchange(ctx, http.MethodPut, "/policy", nil, change, &written)
	return written, err
}
